// The page.
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Curves } from "./curves";
import { openEditor } from "./editor";
import { Form } from "./form";
import { Gallery } from "./gallery";
import { Controls, EditorBar, Log, Problems, Queue, Timeline, open } from "./panels";
import { LivePicture } from "./picture";
import { connect, connection, folder, notice, openFile, readOnly } from "./state";

const LOST = {
  opening: "",
  open: "",
  lost: "The studio does not answer. Runs go on; this page comes back by itself.",
  refused: "The studio has ended, or was started anew: open the address that it printed.",
};

function Editor() {
  const parent = useRef<HTMLDivElement>(null);
  useEffect(() => openEditor(parent.current!), []);
  return <div class="editor" ref={parent} />;
}

function Page() {
  const message = LOST[connection.value] || notice.value;
  return (
    <>
      <header class="top">
        <h1>clipig studio</h1>
        <span class="folder">
          {folder}
          {readOnly.value && " · only shown, nothing can be changed"}
        </span>
        <p role="status" class="notice" hidden={!message}>
          {message}
        </p>
      </header>
      <main>
        <section class="edit" aria-label="Config">
          <EditorBar />
          <Editor />
          <Problems />
          <Form />
          <p class="hint">
            Ctrl+Enter runs, Ctrl+Shift+Enter applies to the run, Ctrl+Space completes. Drop a picture that clipig made to
            open its config.
          </p>
        </section>
        <section class="run" aria-label="Run">
          <Controls />
          <LivePicture />
          <Timeline />
          <Queue />
          <Log />
        </section>
        <Curves />
        <Gallery />
      </main>
    </>
  );
}

addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file) void open(openFile(file));
});

render(<Page />, document.body);
connect();

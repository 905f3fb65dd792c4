// The picture while it grows: always a whole frame, and the newest one that the page can keep up with.
import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { job } from "./state";

type Mode = "fit" | "pixels" | "tiles";

const NAMES: Record<Mode, string> = { fit: "Fit", pixels: "1:1", tiles: "Tiles" };
const mode = signal<Mode>("fit");

function draw(canvas: HTMLCanvasElement, image: HTMLImageElement, how: Mode) {
  const times = how === "tiles" ? 3 : 1;
  const { naturalWidth: width, naturalHeight: height } = image;
  canvas.width = times * width;
  canvas.height = times * height;
  const context = canvas.getContext("2d")!;
  for (let column = 0; column < times; column++)
    for (let row = 0; row < times; row++) context.drawImage(image, column * width, row * height);
}

/** Loads frame after frame into a canvas; what comes while one loads is left out, but for the last. */
function follow(canvas: HTMLCanvasElement) {
  let image: HTMLImageElement | null = null;
  let shown = 0;
  let loading = false;
  const load = async (number: number) => {
    loading = true;
    const next = new Image();
    next.src = `/frame/${number}.webp`;
    try {
      await next.decode();
      image = next;
      draw(canvas, image, mode.value);
      canvas.dataset.frame = String(number);
    } catch {
      // the studio has ended, or was started anew
    }
    shown = number;
    loading = false;
    const newest = job.value?.frame ?? 0;
    if (newest !== shown) void load(newest);
  };
  const clear = () => {
    image = null;
    shown = 0;
    canvas.width = canvas.height = 1;
    delete canvas.dataset.frame;
  };
  return effect(() => {
    const number = job.value?.frame ?? 0;
    if (image) draw(canvas, image, mode.value);
    if (!number) clear();
    else if (number !== shown && !loading) void load(number);
  });
}

export function LivePicture() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => follow(canvas.current!), []);
  const step = job.value?.step;
  const size = step?.size;
  const about = size ? `The picture, ${size[0]} by ${size[1]} pixels` : "No picture yet";
  return (
    <figure class={`picture ${mode.value}`}>
      <div class="frame" tabIndex={0} role="group" aria-label="Picture">
        <canvas ref={canvas} role="img" aria-label={about} hidden={!job.value?.frame} />
        {!job.value?.frame && <p class="empty">{waiting()}</p>}
      </div>
      <figcaption>
        <span>{size ? `${size[0]} × ${size[1]}` : ""}</span>
        <div role="group" aria-label="How the picture is shown" class="choice">
          {(Object.keys(NAMES) as Mode[]).map((one) => (
            <button type="button" aria-pressed={mode.value === one} onClick={() => (mode.value = one)}>
              {NAMES[one]}
            </button>
          ))}
        </div>
      </figcaption>
    </figure>
  );
}

function waiting(): string {
  const state = job.value?.state;
  if (state === "loading") return "Loading the model …";
  return state === "failed" ? "There is no picture." : "Write what you want to see, and press Ctrl+Enter.";
}

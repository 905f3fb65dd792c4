// The picture while it grows: always a whole frame, and the newest one that the page can keep up with.
import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Paint, drawMask, key, pointer, strokes } from "./paint";
import { type Moment, job } from "./state";

type Mode = "fit" | "pixels" | "tiles" | "before" | "paint";

const NAMES: Record<Mode, string> = { fit: "Fit", pixels: "1:1", tiles: "Tiles", before: "Before", paint: "Mask" };
const mode = signal<Mode>("fit");
/** Which earlier picture is compared, and how much of the width it has, in percent. */
const moment = signal(0);
const divider = signal(50);
const earlier = signal<HTMLImageElement | null>(null);

const chosen = (): Moment | undefined => job.value?.moments[Math.min(moment.value, job.value.moments.length - 1)];

function draw(canvas: HTMLCanvasElement, image: HTMLImageElement) {
  const times = mode.value === "tiles" ? 3 : 1;
  const { naturalWidth: width, naturalHeight: height } = image;
  canvas.width = times * width;
  canvas.height = times * height;
  const context = canvas.getContext("2d")!;
  for (let column = 0; column < times; column++)
    for (let row = 0; row < times; row++) context.drawImage(image, column * width, row * height);
  if (mode.value === "paint") drawMask(context, width, height);
  const before = mode.value === "before" && earlier.value;
  canvas.toggleAttribute("data-before", Boolean(before));
  if (before) drawBefore(context, before, Math.round((width * divider.value) / 100), width, height);
}

/** The earlier picture on the left of a line, as large as the present one. */
function drawBefore(context: CanvasRenderingContext2D, before: HTMLImageElement, edge: number, width: number, height: number) {
  context.save();
  context.beginPath();
  context.rect(0, 0, edge, height);
  context.clip();
  context.drawImage(before, 0, 0, width, height);
  context.restore();
  const line = Math.max(1, width / 300);
  context.fillStyle = "#fff";
  context.fillRect(edge - line, 0, 2 * line, height);
  context.fillStyle = "#000";
  context.fillRect(edge - line / 2, 0, line, height);
}

/** Loads the earlier picture whenever another one is chosen. */
function followBefore() {
  let shown = 0;
  return effect(() => {
    const number = (mode.value === "before" && chosen()?.frame) || 0;
    if (number === shown) return;
    shown = number;
    const image = new Image();
    image.src = `/frame/${number}.webp`;
    const keep = () => shown === number && (earlier.value = number ? image : null);
    if (number) image.decode().then(keep, () => undefined);
    else keep();
  });
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
      draw(canvas, image);
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
    void [mode.value, divider.value, earlier.value, strokes.value]; // what else is drawn
    if (image) draw(canvas, image);
    if (!number) clear();
    else if (number !== shown && !loading) void load(number);
  });
}

function Before() {
  const moments = job.value?.moments ?? [];
  if (mode.value !== "before" || !moments.length) return null;
  const number = (event: Event) => Number((event.currentTarget as HTMLInputElement).value);
  return (
    <div class="before">
      <label>
        After epoch {chosen()?.epoch}
        <input
          type="range"
          min={0}
          max={moments.length - 1}
          value={Math.min(moment.value, moments.length - 1)}
          aria-label="Earlier picture"
          aria-valuetext={`after epoch ${chosen()?.epoch}`}
          onInput={(event) => (moment.value = number(event))}
        />
      </label>
      <label>
        Before and now
        <input type="range" min={0} max={100} value={divider.value} onInput={(event) => (divider.value = number(event))} />
      </label>
    </div>
  );
}

const PAINTING = { onPointerDown: pointer, onPointerMove: pointer };

export function LivePicture() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => follow(canvas.current!), []);
  useEffect(followBefore, []);
  const step = job.value?.step;
  const size = step?.size;
  const paints = mode.value === "paint";
  const about = size ? `The picture, ${size[0]} by ${size[1]} pixels` : "No picture yet";
  return (
    <figure class={`picture ${mode.value}`}>
      <div class="frame" tabIndex={0} role="group" aria-label="Picture" onKeyDown={paints ? key : undefined}>
        <canvas ref={canvas} role="img" aria-label={about} hidden={!job.value?.frame} {...(paints && PAINTING)} />
        {!job.value?.frame && <p class="empty">{waiting()}</p>}
      </div>
      <Before />
      {paints && <Paint />}
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

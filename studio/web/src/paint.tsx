// A mask that is painted on the picture, and given to a target.
import { computed, signal } from "@preact/signals";
import { put } from "./form";
import { attempt, fields, postPng, readOnly } from "./state";

const LONGER = 512;
const MOVE = 0.02;
const COLOR = "#ff2d95";

/** Sizes and places are parts of the picture's width and height. */
const brush = signal(0.15);
const erases = signal(false);
const cursor = signal({ x: 0.5, y: 0.5 });
/** Counts strokes, so that whoever draws them knows. */
export const strokes = signal(0);

const layer = document.createElement("canvas");
const targets = computed(() => fields.value.filter((field) => /\bmask(\.image)?$/.test(field.id)));
const chosen = signal("");

/** As large as a picture of this shape needs; what was painted stays if the shape does. */
function fit(width: number, height: number) {
  const scale = LONGER / Math.max(width, height);
  const size: [number, number] = [Math.round(width * scale), Math.round(height * scale)];
  if (layer.width !== size[0] || layer.height !== size[1]) [layer.width, layer.height] = size;
}

export function drawMask(context: CanvasRenderingContext2D, width: number, height: number) {
  fit(width, height);
  context.save();
  context.globalAlpha = 0.5;
  context.drawImage(layer, 0, 0, width, height);
  context.globalAlpha = 1;
  context.lineWidth = Math.max(1, width / 200);
  context.strokeStyle = COLOR;
  context.beginPath();
  context.arc(cursor.value.x * width, cursor.value.y * height, (brush.value * Math.max(width, height)) / 2, 0, 2 * Math.PI);
  context.stroke();
  context.restore();
}

function stroke(from: { x: number; y: number }) {
  const context = layer.getContext("2d")!;
  const { width, height } = layer;
  context.globalCompositeOperation = erases.value ? "destination-out" : "source-over";
  context.strokeStyle = COLOR;
  context.lineWidth = brush.value * LONGER;
  context.lineCap = "round";
  context.beginPath();
  context.moveTo(from.x * width, from.y * height);
  context.lineTo(cursor.value.x * width + 0.01, cursor.value.y * height);
  context.stroke();
  strokes.value++;
}

/** Where a pointer is in a canvas that is shown whole in its box. */
function place(canvas: HTMLCanvasElement, event: PointerEvent) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const x = (event.clientX - box.left - box.width / 2) / (scale * canvas.width) + 0.5;
  const y = (event.clientY - box.top - box.height / 2) / (scale * canvas.height) + 0.5;
  return { x, y };
}

export function pointer(event: PointerEvent) {
  const canvas = event.currentTarget as HTMLCanvasElement;
  if (event.type === "pointerdown") canvas.setPointerCapture(event.pointerId);
  const before = event.type === "pointerdown" ? place(canvas, event) : cursor.value;
  cursor.value = place(canvas, event);
  strokes.value++;
  if (event.buttons) stroke(before);
}

const WAYS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Arrows move the brush, the space bar paints. */
export function key(event: KeyboardEvent) {
  const way = WAYS[event.key];
  if (!way && event.key !== " ") return;
  event.preventDefault();
  const inside = (value: number) => Math.min(1, Math.max(0, value));
  if (way) cursor.value = { x: inside(cursor.value.x + MOVE * way[0]), y: inside(cursor.value.y + MOVE * way[1]) };
  else stroke(cursor.value);
  strokes.value++;
}

function clear() {
  layer.width = layer.width; // which also makes it empty
  strokes.value++;
}

/** White where it was painted, on black. */
function painted(): Promise<Blob> {
  const white = document.createElement("canvas");
  [white.width, white.height] = [layer.width, layer.height];
  const context = white.getContext("2d")!;
  context.drawImage(layer, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, white.width, white.height);
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#000";
  context.fillRect(0, 0, white.width, white.height);
  return new Promise((done, failed) => white.toBlob((blob) => (blob ? done(blob) : failed(new Error("The mask is empty.")))));
}

async function give() {
  const field = targets.value.find((one) => one.id === chosen.value) ?? targets.value[0];
  const answer = await attempt(painted().then((blob) => postPng<{ file: string }>("/mask", blob)));
  if (field && answer) put(field, answer.file);
}

export function Paint() {
  const options = targets.value;
  return (
    <div class="before">
      <label>
        Brush
        <input type="range" min={0.02} max={0.6} step={0.02} value={brush.value} onInput={(event) => (brush.value = Number(event.currentTarget.value))} />
      </label>
      <div class="bar">
        <button type="button" aria-pressed={erases.value} onClick={() => (erases.value = !erases.value)}>
          Erase
        </button>
        <button type="button" onClick={clear}>
          Clear
        </button>
        <select aria-label="Target of the mask" value={chosen.value} onChange={(event) => (chosen.value = event.currentTarget.value)}>
          {options.map((field) => (
            <option value={field.id}>{field.group}</option>
          ))}
        </select>
        <button type="button" disabled={readOnly.value || !options.length || !strokes.value} onClick={give}>
          Give it to the target
        </button>
      </div>
      <p class="hint">
        {options.length
          ? "Paint where the target may change the picture; with the keyboard, arrows move the brush over the picture, and the space bar paints."
          : "Only targets that stand in the text can get a mask, not those of its look."}
      </p>
    </div>
  );
}

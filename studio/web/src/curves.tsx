// Loss and similarity over the epochs, in two plots.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { type Point, job } from "./state";

const HEIGHT = 150;
const EPOCHS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((ten) => [ten, 2 * ten, 5 * ten]);
const COLORS = ["--accent", "--blue", "--green", "--orange", "--violet", "--quiet"];

const isLoss = (name: string) => name === "loss" || name.endsWith("(loss)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = signal(dark.matches);
dark.addEventListener("change", () => (theme.value = dark.matches));

/** A color of the style sheet as the present theme has it. */
function color(name: string): string {
  document.body.style.outlineColor = `var(${name})`;
  const { outlineColor } = getComputedStyle(document.body);
  document.body.style.outlineColor = "";
  return outlineColor;
}

function data(points: Point[], names: string[]): uPlot.AlignedData {
  const column = (name: string) => points.map((point) => point.values[name] ?? null);
  return [points.map((point) => point.epoch), ...names.map(column)] as uPlot.AlignedData;
}

function make(parent: HTMLElement, names: string[], first: uPlot.AlignedData): uPlot {
  const axis = { stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const series = names.map((label, index) => ({
    label,
    stroke: color(COLORS[index % COLORS.length]!),
    width: index ? 1.25 : 2,
    dash: index >= COLORS.length ? [6, 4] : [],
    spanGaps: true,
    points: { show: false },
    value: (_: uPlot, value: number | null) => (value === null ? "–" : value.toPrecision(4)),
  }));
  return new uPlot(
    {
      width: parent.clientWidth || 300,
      height: HEIGHT,
      scales: { x: { time: false } },
      axes: [{ ...axis, size: 28, incrs: EPOCHS }, { ...axis, size: 46 }],
      series: [{ label: "epoch" }, ...series],
      cursor: { drag: { x: true, y: false } },
    },
    first,
    parent,
  );
}

function Plot({ title, points, names }: { title: string; points: Point[]; names: string[] }) {
  const parent = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const key = [theme.value, ...names].join("\n");
  useEffect(() => {
    const made = make(parent.current!, names, data(points, names));
    plot.current = made;
    const sized = new ResizeObserver(([entry]) => made.setSize({ width: entry!.contentRect.width, height: HEIGHT }));
    sized.observe(parent.current!);
    return () => {
      sized.disconnect();
      made.destroy();
    };
  }, [key]);
  useEffect(() => plot.current?.setData(data(points, names)), [points]);
  const last = points.at(-1);
  const words = names.map((name) => `${name} ${last?.values[name]?.toPrecision(4) ?? "unknown"}`).join(", ");
  return (
    <div class="plot">
      <h3>{title}</h3>
      <div ref={parent} role="img" aria-label={`${title} over ${points.length} points; now ${words}`} />
    </div>
  );
}

export function Curves() {
  const points = job.value?.points ?? [];
  if (points.length < 2) return null;
  const names = [...new Set(points.flatMap((point) => Object.keys(point.values)))];
  const losses = names.filter(isLoss);
  const similarities = names.filter((name) => !isLoss(name));
  return (
    <section class="curves" aria-label="Curves">
      {similarities.length > 0 && <Plot title="Similarity" points={points} names={similarities} />}
      <Plot title="Loss" points={points} names={losses} />
    </section>
  );
}

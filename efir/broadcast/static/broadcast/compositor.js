// A worker: draws the shared screen with the camera in its corner, at a steady rate. A still screen gives no frames of its own,
// and timers of a page are slowed down while it is hidden behind the shared window; those of a worker are not.
const CORNER = 0.22; // the camera's width, as a share of the picture's
const MARGIN = 0.02;
const frames = { screen: null, camera: null };
let writer;
let canvas;
let context;

async function read(name, readable) {
  const reader = readable.getReader();
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    frames[name]?.close();
    frames[name] = done ? null : value;
    if (done) return;
  }
}

// The largest size with the frame's proportions that fits, or that covers, the box.
function scaled(frame, width, height, choose) {
  const scale = choose(width / frame.displayWidth, height / frame.displayHeight);
  return [frame.displayWidth * scale, frame.displayHeight * scale];
}

function drawCorner(frame) {
  const width = canvas.width * CORNER;
  const height = width * 9 / 16;
  const margin = canvas.width * MARGIN;
  const [left, top] = [canvas.width - width - margin, canvas.height - height - margin];
  const [wide, high] = scaled(frame, width, height, Math.max);
  context.save();
  context.beginPath();
  context.roundRect(left, top, width, height, margin / 2);
  context.clip();
  context.drawImage(frame, left + (width - wide) / 2, top + (height - high) / 2, wide, high);
  context.restore();
}

function draw() {
  if (writer.desiredSize <= 0) return; // the encoder is behind
  context.fillStyle = "#0b0a14";
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (frames.screen) {
    const [wide, high] = scaled(frames.screen, canvas.width, canvas.height, Math.min);
    context.drawImage(frames.screen, (canvas.width - wide) / 2, (canvas.height - high) / 2, wide, high);
  }
  if (frames.camera) drawCorner(frames.camera);
  writer.write(new VideoFrame(canvas, { timestamp: performance.now() * 1000 })).catch(() => close());
}

addEventListener("message", ({ data }) => {
  canvas = new OffscreenCanvas(data.width, data.height);
  context = canvas.getContext("2d", { alpha: false });
  writer = data.writable.getWriter();
  read("screen", data.screen);
  if (data.camera) read("camera", data.camera);
  setInterval(draw, 1000 / data.fps);
});

// Sound test before the start: plays three notes, and shows their level.
const NOTES_HZ = [523, 659, 784];
const NOTE_S = 0.4;
const LOUDNESS = 0.25;
const AT_MOST_MS = 5000;
const $ = (id) => document.getElementById(id);

export function startSoundTest() {
  const button = $("sound-play");
  let context;

  async function test() {
    show("");
    $("sound-level").hidden = false;
    button.disabled = true;
    try {
      context ??= new AudioContext();
      context.resume(); // not awaited: if the browser allows no sound, it may never settle
      await watch(playNotes(context));
      show("ask");
    } catch {
      show("help"); // no sound device, or the browser allows no sound
    }
    button.disabled = false;
  }

  button.disabled = false;
  button.addEventListener("click", test);
  $("sound-yes").addEventListener("click", () => show("good"));
  $("sound-no").addEventListener("click", () => show("help"));
}

function show(part) {
  for (const each of ["ask", "good", "help"]) $(`sound-${each}`).hidden = each !== part;
  if (part) $(`sound-${part}`).focus();
}

function playNotes(context) {
  const analyser = context.createAnalyser();
  const loudness = context.createGain();
  loudness.connect(analyser).connect(context.destination);
  const from = context.currentTime;
  NOTES_HZ.forEach((hertz, index) => {
    const note = context.createOscillator();
    note.frequency.value = hertz;
    note.connect(loudness);
    note.start(from + index * NOTE_S);
    note.stop(from + (index + 1) * NOTE_S);
  });
  // Fade in and out, so that there is no click.
  const until = from + NOTES_HZ.length * NOTE_S;
  loudness.gain.setValueAtTime(0, from);
  loudness.gain.linearRampToValueAtTime(LOUDNESS, from + 0.03);
  loudness.gain.setValueAtTime(LOUDNESS, until - 0.2);
  loudness.gain.linearRampToValueAtTime(0, until);
  return { analyser, until };
}

function watch({ analyser, until }) {
  const samples = new Float32Array(analyser.fftSize);
  const level = $("sound-level");
  const deadline = Date.now() + AT_MOST_MS;
  return new Promise((done, fail) => {
    const look = () => {
      analyser.getFloatTimeDomainData(samples);
      const over = analyser.context.currentTime >= until;
      level.value = over ? 0 : Math.min(1, Math.max(...samples) / LOUDNESS);
      if (over) done();
      else if (Date.now() > deadline) fail(new Error("no sound"));
      else setTimeout(look, 50);
    };
    look();
  });
}

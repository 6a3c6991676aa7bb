// The chunks that the server has not confirmed yet, in order. A container is of no use without its beginning, so the queue is
// shortened only by whole containers.
const KEEP_MS = 60000;

export class ChunkQueue {
  constructor(now = () => performance.now()) {
    Object.assign(this, { now, chunks: [], batch: null, dropped: false });
  }

  add(blob, first) {
    this.chunks.push({ blob, first, at: this.now() });
    this.shorten();
  }

  // How long the oldest unconfirmed chunk has waited.
  get waitingMs() {
    const oldest = this.batch?.at ?? this.chunks[0]?.at;
    return oldest === undefined ? 0 : this.now() - oldest;
  }

  // The next request's body. A repeat must carry the same bytes under the same number, because the first try may have arrived
  // although its answer was lost: the batch stays as it is until `confirm`.
  take(maxBytes) {
    if (this.batch || !this.chunks.length) return this.batch;
    const [{ at, first }] = this.chunks;
    const blobs = [];
    let size = 0;
    while (this.chunks.length && (!blobs.length || (!this.chunks[0].first && size + this.chunks[0].blob.size <= maxBytes))) {
      const { blob } = this.chunks.shift();
      size += blob.size;
      blobs.push(blob);
    }
    this.batch = { body: blobs.length === 1 ? blobs[0] : new Blob(blobs), size, at, first };
    return this.batch;
  }

  confirm() {
    this.batch = null;
  }

  // Drop what is left of the container that was begun. `dropped`: its last request may have arrived anyway.
  dropContainer() {
    this.dropped ||= Boolean(this.batch);
    this.batch = null;
    const next = this.chunks.findIndex(({ first }) => first);
    this.chunks.splice(0, next < 0 ? this.chunks.length : next);
  }

  clear() {
    this.chunks = [];
    this.batch = null;
  }

  shorten() {
    const later = ({ first }, index) => first && (index > 0 || this.batch);
    while (this.waitingMs > KEEP_MS && this.chunks.some(later)) {
      if (!this.batch) this.chunks.shift();
      this.dropContainer();
    }
  }
}

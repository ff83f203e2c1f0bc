// Runs beside the page, where sound comes: hands on the samples of one channel, some of them together.

const TOGETHER = 4096;

registerProcessor("microphone", class extends AudioWorkletProcessor {
  block = new Float32Array(TOGETHER);
  filled = 0;

  process([channels]) {
    if (!channels.length) return true;
    const samples = channels[0];
    this.block.set(samples, this.filled);
    this.filled += samples.length;
    if (this.filled + samples.length > TOGETHER) {
      this.port.postMessage(this.block.slice(0, this.filled));
      this.filled = 0;
    }
    return true;
  }
});

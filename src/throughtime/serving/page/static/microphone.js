// Runs beside the page, where sound comes: hands on the samples of one channel.

registerProcessor("microphone", class extends AudioWorkletProcessor {
  process([channels]) {
    if (channels.length) this.port.postMessage(channels[0].slice());
    return true;
  }
});

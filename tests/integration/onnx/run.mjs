// SPDX-License-Identifier: Apache-2.0
// Runs an exported model in onnxruntime-web (WebAssembly) on the latents that mien generate wrote,
// or on the pictures of onnx_reference, and compares. Prints lines of facts for the script around.
//   node run.mjs MODEL.onnx RAW.safetensors onnx.proto
import fs from 'node:fs';
import * as ort from 'onnxruntime-web';
import protobuf from 'protobufjs';

const [modelPath, rawPath, schemaPath] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

// A reader of safetensors that shares nothing with mien's: name -> {shape, values}.
function readSafetensors(path) {
  const bytes = fs.readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8'));
  const tensors = {};
  for (const [name, {dtype, shape, data_offsets: [begin, end]}] of Object.entries(header)) {
    if (dtype !== 'F32') throw new Error(`${name} is ${dtype}`);
    const at = bytes.subarray(8 + length + begin, 8 + length + end);
    const values = new Float32Array((end - begin) / 4);
    for (let i = 0; i < values.length; i++) values[i] = at.readFloatLE(4 * i);
    tensors[name] = {shape, values};
  }
  return tensors;
}

// The greatest difference between pictures [n, h, w, c] and [n, c, h, w].
function difference(ours, theirs) {
  const [n, h, w, c] = ours.shape;
  let greatest = 0;
  if (theirs.dims.join() !== [n, c, h, w].join()) throw new Error(`pictures are ${theirs.dims}`);
  for (let i = 0, at = 0; i < n; i++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        for (let k = 0; k < c; k++, at++) {
          const d = Math.abs(ours.values[at] - theirs.data[((i * c + k) * h + y) * w + x]);
          if (!(d <= greatest)) greatest = d; // a NaN stays
        }
  return greatest;
}

// Pictures [n, h, w, c] as [n, c, h, w].
function channelsFirst({shape: [n, h, w, c], values}) {
  const out = new Float32Array(values.length);
  for (let i = 0, at = 0; i < n; i++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        for (let k = 0; k < c; k++, at++) out[((i * c + k) * h + y) * w + x] = values[at];
  return new ort.Tensor('float32', out, [n, c, h, w]);
}

// The greatest difference between flat results.
function flatDifference(ours, theirs) {
  if (theirs.dims.join() !== ours.shape.join()) throw new Error(`the result is ${theirs.dims}`);
  return ours.values.reduce((most, v, i) => {
    const d = Math.abs(v - theirs.data[i]);
    return d <= most ? most : d; // a NaN stays
  }, 0);
}

function describe(value) {
  const dims = value.type.tensorType.shape.dim.map(d => d.dimParam || d.dimValue);
  return `${value.name}[${dims.join(',')}]`;
}

const raw = readSafetensors(rawPath);
const model = fs.readFileSync(modelPath);
const message = protobuf.loadSync(schemaPath).lookupType('mien.onnx.Model').decode(model);
const session = await ort.InferenceSession.create(model);
const feeds = raw.expected
  ? {pictures: channelsFirst(raw.pictures)}
  : {latent: new ort.Tensor('float32', raw.latents.values, raw.latents.shape)};
if (raw.codes) feeds.code = new ort.Tensor('float32', raw.codes.values, raw.codes.shape);
const outputs = await session.run(feeds);

const result = Object.values(outputs)[0];
const spread = (raw.expected ?? raw.pictures).values.reduce((a, v) => [Math.min(a[0], v), Math.max(a[1], v)], [9, -9]);
console.log(`inputs=${message.graph.input.map(describe).join(' ')}`);
console.log(`outputs=${message.graph.output.map(describe).join(' ')}`);
for (const {key, value} of message.metadataProps) console.log(`${key}=${value}`);
console.log(`spread=${(spread[1] - spread[0]).toFixed(3)}`);
const off = raw.expected ? flatDifference(raw.expected, result) : difference(raw.pictures, result);
console.log(`difference=${off.toExponential(2)}`);

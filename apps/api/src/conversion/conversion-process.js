/**
 * Converts one TF.js model and ends. A process of its own: conversion runs TF.js and the tracer for seconds without a pause, on
 * a stranger's model, and what may go wrong (too much memory, no end) must end with it. JavaScript, not TypeScript, because a
 * process starts from a file as it is, in `src` under the tests as in `dist`.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { EngineError, loadModel, MODEL_FILE } from '@rela/engine';
import { answer, isOutOfMemory } from '@rela/process';

/** @import { ImageModel, ModelFiles } from '@rela/engine' */
/** @import { ConversionReply, ConversionWork } from './messages.js' */

/** A topology is read whole and parsed; InceptionV3's takes 0.2 MB. */
const MAX_TOPOLOGY_BYTES = 256 * 2 ** 20;

/** Of an image, as preprocessing calls them. */
const SIDES = ['height', 'width', 'channels'];

/** @param {string} reason */
const refuse = (reason) => new EngineError('invalid-model', reason);

/**
 * @param {ConversionWork} work
 * @returns {ModelFiles} that read no more than they may, together
 */
function filesOf({ files, maxBytes }) {
  let left = maxBytes;
  /** @param {string} name @param {string} path */
  const read = async (name, path) => {
    const found = await stat(path);
    if (!found.isFile())
      throw refuse(`${name} is not a file. Give the folder that TF.js or its converter wrote.`);
    if (name === MODEL_FILE && found.size > MAX_TOPOLOGY_BYTES)
      throw refuse(`${name} has ${found.size} bytes; at most ${MAX_TOPOLOGY_BYTES} are read.`);
    left -= found.size;
    if (left < 0)
      throw refuse(
        `The files of the model have more than ${maxBytes} bytes together. MAX_UPLOAD_BYTES sets the limit.`,
      );
    return readFile(path);
  };
  /** @param {string} name @param {string} path */
  const readOrRefuse = (name, path) =>
    read(name, path).catch((/** @type {NodeJS.ErrnoException} */ error) => {
      throw error.syscall === undefined ? error : refuse(`${name} cannot be read: ${error.message}`);
    });
  return new Map(files.map(([name, path]) => [name, () => readOrRefuse(name, path)]));
}

/**
 * What the model says of its images beyond their shape. Integers are bytes: values in [0, 1] would all be cut to zero.
 * @param {ImageModel['input']} input @param {ConversionWork['image']} image
 */
function metadataOf({ shape, dtype }, image) {
  const channels = shape?.[3] ?? image[2] ?? 0;
  /** @param {number} value */
  const all = (value) => JSON.stringify(new Array(channels).fill(value));
  return {
    'rela.layout': 'nhwc',
    ...(dtype === 'int32' ? { 'rela.scale': 'byte', 'rela.mean': all(0), 'rela.std': all(1) } : {}),
  };
}

/** @param {ConversionWork} work @returns {Promise<ConversionReply>} */
async function convert(work) {
  const { target, output, image } = work;
  try {
    const model = await loadModel(filesOf(work));
    const sizes = SIDES.filter((_, axis) => model.input.shape?.[axis + 1] === null && image[axis] == null);
    if (sizes.length > 0) return { kind: 'unknown-sizes', sizes };
    const metadata = metadataOf(model.input, image);
    await writeFile(target, model.toOnnx({ image, metadata, ...(output === undefined ? {} : { output }) }));
    return { kind: 'converted' };
  } catch (error) {
    if (error instanceof EngineError && !isOutOfMemory(error))
      return { kind: 'refused', code: error.code, reason: error.message };
    throw error;
  }
}

answer(convert);

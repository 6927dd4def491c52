import { expect, it } from 'vitest';
import { type Block, philox4x32 } from './philox.js';

it('gives the known answers of the Random123 reference', () => {
  const out: Block = [0, 0, 0, 0];
  expect([...philox4x32([0, 0, 0, 0], [0, 0], out)]).toEqual([
    0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8,
  ]);
  const ones = 0xffffffff;
  expect([...philox4x32([ones, ones, ones, ones], [ones, ones], out)]).toEqual([
    0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
  ]);
  const counter: Block = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  expect([...philox4x32(counter, [0xa4093822, 0x299f31d0], counter)]).toEqual([
    0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
  ]);
});

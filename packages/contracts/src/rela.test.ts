import { expect, it } from 'vitest';
import { RelaChoice, relaPresets } from './rela.js';
import { Training } from './training.js';

it('stores what a preset stands for, so that a run says in full how it trains', () => {
  for (const [name, spec] of Object.entries(relaPresets)) {
    const { rela } = Training.parse({ method: { name: 'byol' }, rela: name });
    expect(rela).toEqual(spec);
    expect(RelaChoice.parse(rela)).toEqual(rela);
  }
});

it('is the paper’s without a word of its own', () => {
  expect(RelaChoice.parse({})).toEqual(relaPresets.faithful);
});

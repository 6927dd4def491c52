/** How the ReLA loss is used in a run: when it gives way to the method's own, and what of it stays. */
import { z } from 'zod';

export const SwitchRule = z
  .discriminatedUnion('kind', [
    z
      .strictObject({ kind: z.literal('adaptive'), threshold: z.number().min(0).max(1).default(0.995) })
      .describe("the paper's rule, at 0.99 / 0.001 a step: made for long runs"),
    z
      .strictObject({ kind: z.literal('static'), lambda: z.number().min(0).max(1) })
      .describe('the first ⌊λ·epochs⌋ epochs use the ReLA loss'),
    z
      .strictObject({ kind: z.literal('scaled'), threshold: z.number().min(0).max(1).default(0.95) })
      .describe(
        'when a tenth of the run brings less than 1 − threshold of what the ReLA loss has fallen in all, however long the run is',
      ),
  ])
  .meta({ id: 'SwitchRule' });
export type SwitchRule = z.infer<typeof SwitchRule>;

export const BlendSpec = z
  .strictObject({
    weight: z
      .number()
      .positive()
      .max(1000)
      .default(0.5)
      .describe("of the ReLA loss beside the method's own, at the method's first step"),
    schedule: z
      .enum(['constant', 'linear', 'cosine'])
      .default('constant')
      .describe("how the weight goes from the method's first step to the run's last"),
    final: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('share of the weight that a schedule other than constant leaves at the end'),
  })
  .meta({ id: 'BlendSpec' });
export type BlendSpec = z.infer<typeof BlendSpec>;

export const RelaSpec = z
  .strictObject({
    switch: SwitchRule.default({ kind: 'adaptive', threshold: 0.995 }),
    transport: z
      .enum(['fixed', 'learned'])
      .default('fixed')
      .describe('whether the transport head W is trained'),
    blend: BlendSpec.optional().describe(
      "after the switch the ReLA loss stays as a term beside the method's own, on the method's views (static with lambda 0: from the first step); absent: it ends with the switch, as in the paper",
    ),
  })
  .meta({ id: 'RelaSpec' });
export type RelaSpec = z.infer<typeof RelaSpec>;

/** Ready choices by name. */
export const relaPresets = {
  /** The paper's and its code's: the adaptive rule, W at its random start, the method alone after the switch. */
  faithful: { switch: { kind: 'adaptive', threshold: 0.995 }, transport: 'fixed' },
  /** What keeps its lead to the plateau: bench/results/headline.md. */
  recommended: {
    switch: { kind: 'static', lambda: 0.15 },
    transport: 'learned',
    blend: { weight: 3, schedule: 'constant', final: 0 },
  },
} as const satisfies Record<string, RelaSpec>;
export type RelaPreset = keyof typeof relaPresets;

const RelaPresetName = z
  .enum(Object.keys(relaPresets) as [RelaPreset, ...RelaPreset[]])
  .describe(
    'a preset: what the name stands for is stored; faithful: as in the paper, recommended: with the targets kept as a term beside the method',
  );

/** ReLA in full, or a preset's name, which is parsed to what it stands for. */
export const RelaChoice = z.union([
  RelaSpec,
  RelaPresetName.transform((name): z.input<typeof RelaSpec> => relaPresets[name]).pipe(RelaSpec),
]);

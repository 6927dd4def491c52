/**
 * The methods that a run can train with: the name, options and defaults of each. This is where a method is registered;
 * `@rela/learning` does not compile until it has a page for every name here. Defaults are the paper's. Widths of heads that are
 * absent scale with the backbone's feature width d, as the papers' do with the 2,048 of ResNet-50.
 */
import { z } from 'zod';

const temperature = z.number().min(0.01).max(10);
const width = z.int().positive().max(65536);
const momentum = z.number().min(0).max(1);

export const Byol = z
  .strictObject({
    name: z.literal('byol'),
    momentum: momentum.default(0.99).describe('EMA momentum m of the target network; Sun et al. 2024'),
    projection: width.default(256).describe('width of the projection; Grill et al. 2020, section 3.3'),
  })
  .describe('BYOL: Grill et al. 2020, arXiv 2006.07733, in the sizes of Sun et al. 2024');

export const SimClr = z
  .strictObject({
    name: z.literal('simclr'),
    temperature: temperature
      .default(0.5)
      .describe("τ; appendix B.9 (CIFAR-10); 0.1 on ImageNet's large batches"),
    projection: width.default(128).describe('width of the projection; section 2.3'),
  })
  .describe('SimCLR: Chen, Kornblith, Norouzi, Hinton 2020, arXiv 2002.05709');

export const SimSiam = z
  .strictObject({
    name: z.literal('simsiam'),
    projection: width.optional().describe('width of the projection; absent: d, as section 3 has 2,048'),
    predictor: width
      .optional()
      .describe("the predictor's hidden width; absent: a quarter of the projection, as section 3 has 512"),
  })
  .describe('SimSiam: Chen and He 2021, arXiv 2011.10566');

export const MocoV2 = z
  .strictObject({
    name: z.literal('moco-v2'),
    temperature: temperature.default(0.2).describe('τ; MoCo v2, section 3'),
    momentum: momentum.default(0.999).describe('EMA momentum m of the key encoder; MoCo, section 3.3'),
    queue: z
      .int()
      .positive()
      .max(1_048_576)
      .default(4096)
      .describe("keys in the queue; the authors' for CIFAR-10, a twelfth of its images; 65,536 for ImageNet"),
    projection: width.default(128).describe('width of the projection; MoCo, section 3.3'),
  })
  .describe('MoCo v2: He et al. 2020, arXiv 1911.05722; Chen, Fan, Girshick, He 2020, arXiv 2003.04297');

export const BarlowTwins = z
  .strictObject({
    name: z.literal('barlow-twins'),
    lambda: z
      .number()
      .min(0)
      .max(10)
      .default(0.005)
      .describe('λ, weight of redundancy reduction; section 2.2'),
    projection: width
      .optional()
      .describe("width of the projector's layers; absent: 4·d, as section 2.2 has 8,192"),
  })
  .describe('Barlow Twins: Zbontar et al. 2021, arXiv 2103.03230');

export const VicReg = z
  .strictObject({
    name: z.literal('vicreg'),
    invariance: z.number().min(0).default(25).describe('λ; section 4.2'),
    variance: z.number().min(0).default(25).describe('μ; section 4.2'),
    covariance: z.number().min(0).default(1).describe('ν; section 4.2'),
    projection: width
      .optional()
      .describe("width of the expander's layers; absent: 4·d, as section 4.2 has 8,192"),
  })
  .describe('VICReg: Bardes, Ponce, LeCun 2022, arXiv 2105.04906');

export const Dino = z
  .strictObject({
    name: z.literal('dino'),
    prototypes: width.default(2048).describe('K; Sun et al. 2024; 65,536 in section 3.2'),
    hidden: width.default(2048).describe("the head's hidden width; section 3.1"),
    bottleneck: width.default(256).describe('width before the prototypes; appendix C'),
    momentum: momentum
      .default(0.996)
      .describe('EMA momentum of the teacher at first; rises to 1 along a cosine; section 3.1'),
    studentTemperature: temperature.default(0.1).describe('τ of the student; section 3.2'),
    warmupTeacherTemperature: temperature.default(0.04).describe('τ of the teacher at first; section 3.2'),
    teacherTemperature: temperature.default(0.07).describe('τ of the teacher after the warm-up; section 3.2'),
    warmupTeacherEpochs: z
      .int()
      .min(0)
      .default(30)
      .describe("epochs in which the teacher's τ rises linearly; section 3.2"),
    centreMomentum: momentum.default(0.9).describe("m of the centre; the authors' code"),
    frozenPrototypesEpochs: z
      .int()
      .min(0)
      .default(1)
      .describe("first epochs in which the prototypes stay as they are; the authors' code"),
    localViews: z
      .int()
      .min(0)
      .max(32)
      .optional()
      .describe(
        'small crops beside the two global ones; absent: 8, and none for images up to 64 px (Sun et al. 2024)',
      ),
    localSize: z
      .int()
      .min(4)
      .max(1024)
      .optional()
      .describe("side of the small crops in pixels; absent: 3/7 of the image's, as 96 of 224; section 3.1"),
  })
  .describe('DINO: Caron et al. 2021, arXiv 2104.14294');

export const Mae = z
  .strictObject({
    name: z.literal('mae'),
    maskRatio: z
      .number()
      .gt(0)
      .lt(1)
      .default(0.75)
      .describe('share of the patches that are hidden; section 4.1'),
    decoderWidth: width
      .multipleOf(4)
      .optional()
      .describe(
        "the decoder's width, a multiple of 4; absent: two thirds of d, as section 4.1 has 512 of 768",
      ),
    decoderDepth: z.int().positive().max(64).default(8).describe('blocks of the decoder; section 4.1'),
    normalisePixels: z
      .boolean()
      .default(true)
      .describe('whether each patch is predicted with mean 0 and variance 1; section 4.1'),
  })
  .describe('MAE: He et al. 2022, arXiv 2111.06377');

export const Supervised = z
  .strictObject({ name: z.literal('supervised') })
  .describe('cross-entropy with labels; with ReLA before it, a warm start');

export const MethodSpec = z
  .discriminatedUnion('name', [Byol, SimClr, SimSiam, MocoV2, BarlowTwins, VicReg, Dino, Mae, Supervised])
  .meta({ id: 'MethodSpec' });
export type MethodSpec = z.infer<typeof MethodSpec>;
export type MethodName = MethodSpec['name'];
/** The options of one method. */
export type MethodOptions<Name extends MethodName> = Extract<MethodSpec, { name: Name }>;

/** Everything that @rela/learning offers. */
export { type Backbone, createBackbone, patchBackbones } from './backbones/backbone.js';
export { exportBackbone } from './export.js';
export { type FeatureSource, type FeatureTable, inMemory } from './feature-source.js';
export { featureStep } from './features.js';
export { firstDifference } from './given-weights.js';
export { type KnnOptions, knnPredict, rangeOf } from './knn.js';
export { relaLoss } from './losses.js';
export type { Batch, Method, MethodContext, MethodFault, MethodStep, Objective } from './methods/method.js';
export { createMethod, methodFaults } from './methods/registry.js';
export { createOptimizer, type Optimizer } from './optimizers/optimizer.js';
export { createPhaseRule, type Phase, type PhaseRule, type PhaseRuleState } from './phase-rule.js';
export { largest, linearScores, type ProbePlan, probePlan } from './probe.js';
export { learningRates, type RunLength, slowMomenta, warmupSteps } from './rates.js';
export { fromStateDict, toStateDict } from './state-dict.js';
export { adaptiveSwitch, initialSwitch, type SwitchState } from './switch.js';
export {
  createTrainingPlan,
  planAround,
  type TrainingPlan,
  type TrainingPlanOptions,
} from './training-plan.js';
export { imageView, relaViews } from './views.js';

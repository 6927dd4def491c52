/** Everything that @rela/learning offers. */
export { type Backbone, createBackbone } from './backbones/backbone.js';
export { exportBackbone } from './export.js';
export { type FeatureTable, type KnnOptions, knnPredict } from './knn.js';
export { relaLoss } from './losses.js';
export { createMethod, type Method, type MethodContext } from './methods/method.js';
export { createPhaseRule, type Phase, type PhaseRule, type PhaseRuleState } from './phase-rule.js';
export { type ProbePlan, probePlan } from './probe.js';
export { fromStateDict, toStateDict } from './state-dict.js';
export { adaptiveSwitch, initialSwitch, type SwitchState } from './switch.js';
export { createTrainingPlan, type TrainingPlan, type TrainingPlanOptions } from './training-plan.js';

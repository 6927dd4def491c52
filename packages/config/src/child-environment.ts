/** The environment of a process that this one starts: what this one has, and what is set for the child. */
import type { Settings } from './settings.js';

export type SettingName = keyof typeof Settings.shape;

/** `overrides` win over this process's own environment. */
export function childEnvironment(
  overrides: Partial<Record<SettingName, string>> & Record<string, string> = {},
): NodeJS.ProcessEnv {
  return { ...process.env, ...overrides };
}

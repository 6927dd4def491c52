/** What runs a compiled graph: ONNX Runtime's execution providers that the npm package of this processor can have. */

/** `webgpu` is in the npm package (Dawn: Vulkan, Metal, Direct3D 12); `cuda` is a download of its own. */
export type Provider = 'cpu' | 'webgpu' | 'cuda';

/** Providers other than the processor. */
export type DeviceProvider = Exclude<Provider, 'cpu'>;

/** Whether the Node binding hands tensors from run to run without a copy to the host: IO binding exists for WebGPU's buffers only. */
export function keepsTensors(provider: DeviceProvider): boolean {
  switch (provider) {
    case 'webgpu':
      return true;
    case 'cuda':
      return false;
    default:
      return provider satisfies never;
  }
}

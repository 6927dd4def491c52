/** Floating-point operations of the heavy ops: twice the multiply-adds of convolutions and matrix products. */
import { sizeOf } from '../tensors.js';
import type { Graph, GraphNode } from './graph.js';

function multiplyAdds(node: GraphNode): number {
  const [a, b] = node.inputs;
  const out = sizeOf(node.outputs[0]!.shape);
  switch (node.op) {
    case 'Conv2D': {
      const [height, width, channels] = b!.shape;
      return out * height! * width! * channels!;
    }
    case 'Conv2DBackpropInput': {
      const [height, width, , filters] = b!.shape;
      return sizeOf(a!.shape) * height! * width! * (sizeOf(b!.shape) / (height! * width! * filters!));
    }
    case 'Conv2DBackpropFilter': {
      const filters = node.outputs[0]!.shape[3]!;
      return sizeOf(b!.shape) * (out / filters);
    }
    case 'DepthwiseConv2dNative':
      return out * b!.shape[0]! * b!.shape[1]!;
    case 'DepthwiseConv2dNativeBackpropInput':
      return sizeOf(a!.shape) * b!.shape[0]! * b!.shape[1]!;
    case 'DepthwiseConv2dNativeBackpropFilter':
      return sizeOf(b!.shape) * node.outputs[0]!.shape[0]! * node.outputs[0]!.shape[1]!;
    case 'BatchMatMul':
      return out * a!.shape.at(node.attributes.transposeA ? -2 : -1)!;
    default:
      return 0;
  }
}

export const flopsOf = (node: GraphNode): number => 2 * multiplyAdds(node);

export function countFlops(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => sum + flopsOf(node), 0);
}

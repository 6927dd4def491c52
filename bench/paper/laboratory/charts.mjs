// The figures of the studies, as Vega-Lite specifications.
import { parse, View } from 'vega';
import { compile } from 'vega-lite';

const axis = (field, title, scale) => ({
  field,
  type: 'quantitative',
  title,
  scale: scale === 'log' ? { type: 'log', nice: false } : { zero: false },
});
const series = (title, order) => ({
  field: 'series',
  type: 'nominal',
  title,
  ...(order ? { sort: order } : {}),
});

/**
 * Lines with the standard deviation over the seeds as a band.
 * @param rows { x, mean, std, series }
 */
export function curves(rows, { title, x, y, legend = null, xScale, yScale, width = 360 }) {
  const order = [...new Set(rows.map((row) => row.series))];
  const color = order.length > 1 ? { color: series(legend, order) } : {};
  const values = rows.map((row) => ({ ...row, low: row.mean - row.std, high: row.mean + row.std }));
  const positive = (value) => (yScale === 'log' ? Math.max(value, 1e-9) : value);
  return {
    title,
    width,
    height: 240,
    data: { values: values.map((row) => ({ ...row, low: positive(row.low), high: positive(row.high) })) },
    layer: [
      ...(yScale === 'log'
        ? []
        : [
            {
              mark: { type: 'area', opacity: 0.18 },
              encoding: { x: axis('x', x, xScale), y: axis('low', y), y2: { field: 'high' }, ...color },
            },
          ]),
      {
        mark: { type: 'line', point: true },
        encoding: { x: axis('x', x, xScale), y: axis('mean', y, yScale), ...color },
      },
    ],
  };
}

/**
 * A surface as colours, with ways over it.
 * @param surface { x, y, value }, on a grid of `step`; @param ways { x, y, at, series } in the order of `at`
 */
export function surfaceWithWays(surface, ways, { title, x, y, value, legend, step }) {
  const square = surface.map((cell) => ({
    ...cell,
    left: cell.x - step / 2,
    right: cell.x + step / 2,
    bottom: cell.y - step / 2,
    top: cell.y + step / 2,
  }));
  return {
    title,
    width: 320,
    height: 320,
    layer: [
      {
        data: { values: square },
        mark: 'rect',
        encoding: {
          x: axis('left', x),
          x2: { field: 'right' },
          y: axis('bottom', y),
          y2: { field: 'top' },
          color: { field: 'value', type: 'quantitative', title: value, scale: { scheme: 'greys' } },
        },
      },
      {
        data: { values: ways },
        mark: { type: 'line', point: { size: 8 } },
        encoding: {
          x: axis('x', x),
          y: axis('y', y),
          order: { field: 'at', type: 'quantitative' },
          stroke: { ...series(legend), scale: { scheme: 'set1' } },
          fill: { value: 'none' },
        },
      },
    ],
    resolve: { scale: { color: 'independent', stroke: 'independent' } },
  };
}

/** Points of samples. @param rows { x, y, value } */
export function samples(rows, { title, x, y, value }) {
  return {
    title,
    width: 320,
    height: 320,
    data: { values: rows },
    mark: { type: 'point', filled: true, size: 12 },
    encoding: {
      x: axis('x', x),
      y: axis('y', y),
      color: { field: 'value', type: 'quantitative', title: value, scale: { scheme: 'redblue' } },
    },
  };
}

/** A table as colours with its numbers. @param rows { x, y, value } */
export function heatmap(rows, { title, x, y, value }) {
  const side = (field, name) => ({ field, type: 'nominal', title: name, sort: null });
  const encoding = { x: side('x', x), y: side('y', y) };
  return {
    title,
    width: { step: 70 },
    height: { step: 34 },
    data: { values: rows },
    encoding,
    layer: [
      { mark: 'rect', encoding: { color: { field: 'value', type: 'quantitative', title: value } } },
      { mark: 'text', encoding: { text: { field: 'value', type: 'quantitative', format: '.3f' } } },
    ],
  };
}

/** @returns the figure as SVG */
export function draw(specification) {
  const config = { background: 'white', font: 'sans-serif' };
  return new View(parse(compile({ ...specification, config }).spec), { renderer: 'none' }).toSVG();
}

/** Figures and tables as a person reads them. */
import { describe, expect, it } from 'vitest';
import { formatBytes, formatRate, formatSeconds } from './format.js';
import { type Column, formatProperties, formatTable } from './table.js';

describe('figures', () => {
  it('are durations with the unit that fits', () => {
    const seconds = [0, 0.44, 9.96, 59.4, 59.6, 65, 3599.6, 7620];
    expect(seconds.map(formatSeconds)).toEqual([
      '0.0 s',
      '0.4 s',
      '10 s',
      '59 s',
      '1 min 00 s',
      '1 min 05 s',
      '1 h 00 min',
      '2 h 07 min',
    ]);
  });

  it('are sizes in powers of 1024', () => {
    expect([0, 1023, 1024, 1536, 200 * 1024 ** 2, 2.5 * 1024 ** 3].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '200 MiB',
      '2.5 GiB',
    ]);
  });

  it('are rates with three digits', () => {
    expect([1234.5, 56.78, 0.1234].map(formatRate)).toEqual(['1235', '56.8', '0.123']);
  });
});

describe('a table', () => {
  const columns: Column<{ name: string; n: number | null }>[] = [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'N', value: ({ n }) => n, align: 'right' },
  ];

  it('aligns its columns and shows what is not there as a dash', () => {
    const rows = [
      { name: 'a', n: 1 },
      { name: 'longer', n: 100 },
      { name: '', n: null },
    ];
    expect(formatTable(columns, rows)).toBe(
      ['NAME      N', 'a         1', 'longer  100', '–         –'].join('\n'),
    );
  });

  it('without rows is its header', () => {
    expect(formatTable(columns, [])).toBe('NAME  N');
  });

  it('of properties has one line each', () => {
    expect(formatProperties({ id: 'a', status: null })).toBe('id      a\nstatus  –');
  });
});

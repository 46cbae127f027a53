import { formatFigure } from './format.ts'
import type { Table } from './result.ts'

/**
 * Draws a table as horizontal bars with whiskers for the quartiles, as SVG that is readable on light and dark
 * backgrounds. Uses a logarithmic scale if the values are far apart.
 */
export function drawPlot({ title, against, rows }: Table): string {
  const ends = rows.flatMap(({ spread }) => [spread.lower, spread.upper]).filter((value) => value > 0)
  const highest = Math.max(...ends, Number.MIN_VALUE)
  const lowest = Math.min(...ends, highest)
  const isLogarithmic = highest / lowest > 50
  const origin = 10 ** Math.floor(Math.log10(lowest))
  const part = (value: number): number =>
    isLogarithmic ? Math.log(Math.max(value, origin) / origin) / Math.log(highest / origin) : value / highest
  // A difference can be negative.
  const scale = (value: number): number => barWidth * Math.max(part(value), 0)
  const height = top + rows.length * step + 8
  const bars = rows.map((row, index) => {
    const { what, unit, spread, ratio } = row
    const y = top + index * step
    const middle = y + barHeight / 2
    const [from, to] = [left + scale(spread.lower), left + scale(spread.upper)]
    const figure = formatFigure(spread.median, unit)
    const label = ratio === undefined ? figure : `${figure} (${formatFigure(ratio.median, '×')})`
    return [
      `<text x="${left - 8}" y="${middle}" text-anchor="end">${escape(what)}</text>`,
      `<rect class="${against !== undefined && ratio === undefined ? 'base' : 'bar'}" x="${left}" y="${y}" width="${at(Math.max(scale(spread.median), 1))}" height="${barHeight}" rx="2"/>`,
      `<path class="whisker" d="M${at(from)} ${middle - 4}v8M${at(from)} ${middle}H${at(to)}M${at(to)} ${middle - 4}v8"/>`,
      `<text x="${at(to + 8)}" y="${middle}">${escape(label)}</text>`,
    ].join('')
  })
  const heading = `${title}${isLogarithmic ? ' (logarithmic)' : ''}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(heading)}">`,
    `<style>${style}</style>`,
    `<text class="title" x="8" y="16">${escape(heading)}</text>`,
    ...bars,
    '</svg>\n',
  ].join('\n')
}

const width = 920
const left = 370
const barWidth = 380
const barHeight = 16
const top = 34
const step = 26

const style = [
  'text{font:12px system-ui,sans-serif;fill:#24292f;dominant-baseline:central}',
  '.title{font-weight:600;font-size:13px}',
  '.bar{fill:#2f81f7}.base{fill:#8c959f}',
  '.whisker{stroke:#24292f;stroke-width:1;fill:none}',
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.whisker{stroke:#e6edf3}}',
].join('')

function at(value: number): string {
  return value.toFixed(1)
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

import assert from 'node:assert/strict'
import test from 'node:test'
import { formatRemaining } from '../../packages/cli/src/output/format-time.ts'
import { Screen } from '../../packages/cli/src/output/screen.ts'

const terminal = { isTTY: true, columns: 20 }

test('uses colours only on a terminal that supports them and without NO_COLOR', () => {
  const cases: readonly (readonly [isTTY: boolean, environment: Readonly<Record<string, string>>, colored: boolean])[] =
    [
      [true, {}, true],
      [true, { NO_COLOR: '' }, true],
      [true, { NO_COLOR: '1' }, false],
      [true, { TERM: 'dumb' }, false],
      [false, {}, false],
      [false, { CI: 'true', FORCE_COLOR: '1' }, false],
    ]
  for (const [isTTY, environment, colored] of cases) {
    const { colors } = new Screen({ isTTY, write: () => true }, environment)
    assert.equal(colors.red('text') !== 'text', colored, JSON.stringify([isTTY, environment]))
  }
})

test('redraws the last line of a terminal in place, never wider than the terminal, and clears it for other output', () => {
  const { screen, written } = createScreen(terminal)
  screen.status('in 10 s')
  screen.status(`in 9 s ${'x'.repeat(40)}`)
  screen.line('update')
  screen.clearStatus()

  const erase = '\r\u001b[2K'
  assert.deepEqual(written, ['in 10 s', erase, `in 9 s ${'x'.repeat(11)}…`, erase, 'update\n'])
})

test('assumes 80 columns if a terminal does not report its width', () => {
  const { screen, written } = createScreen({ isTTY: true, columns: 0 })
  screen.status('x'.repeat(81))

  assert.deepEqual(written, [`${'x'.repeat(78)}…`])
})

test('shows no status line on a pipe', () => {
  const { screen, written } = createScreen({ isTTY: false })
  screen.status('in 10 s')
  screen.clearStatus()

  assert.deepEqual(written, [])
})

test('a countdown shows the two largest units, and 0 only at the end', () => {
  const cases: readonly (readonly [milliseconds: number, expected: string])[] = [
    [1, 'in 1 s'],
    [60_000, 'in 1 m'],
    [3_599_000, 'in 59 m 59 s'],
    [3_601_000, 'in 1 h'],
    [90_000_000, 'in 1 d 1 h'],
    [0, 'expired 0 s ago'],
    [-61_000, 'expired 1 m 1 s ago'],
  ]
  for (const [milliseconds, expected] of cases) assert.equal(formatRemaining(milliseconds, 0), expected)
})

function createScreen(stream: { readonly isTTY: boolean; readonly columns?: number }): {
  readonly screen: Screen
  readonly written: readonly string[]
} {
  const written: string[] = []
  return { screen: new Screen({ ...stream, write: (text) => written.push(text) }, { NO_COLOR: '1' }), written }
}

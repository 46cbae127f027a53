import { readDurations } from '../test/durations.mjs'
import { removeEvents } from '../test/process-of-tests.mjs'
import { orderTests } from './order-tests.mjs'
import { Outcomes } from './outcomes.mjs'
import { ScratchCopy } from './scratch-copy.mjs'
import { createTrial } from './trial.mjs'

/** Tries several mutants at a time and resolves to the exit code. */
export async function runMutants(mutants, { isFresh, concurrency }) {
  const outcomes = new Outcomes()
  const durations = readDurations()
  const waiting = mutants.filter((mutant) => isFresh || !outcomes.isKilled(mutant))
  const known = mutants.length - waiting.length
  if (known > 0) print(`${known} mutants were killed earlier by the current tests; --fresh tries them again.`)
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interruption.abort())

  const start = Date.now()
  const results = []
  const total = waiting.length
  const work = async () => {
    const copy = new ScratchCopy()
    const trial = createTrial(copy, interruption.signal)
    try {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const groups = orderTests(mutant, outcomes.killerOf(mutant), durations)
        const result = await trial(mutant, groups)
        if (interruption.signal.aborted) return
        outcomes.keep(mutant, result)
        results.push({ mutant, ...result })
        print(`[${results.length}/${total}] ${describeResult(mutant, result)}`)
      }
    } finally {
      copy.remove()
    }
  }
  await Promise.all(Array.from({ length: Math.min(total, concurrency) }, work))
  removeEvents()
  return summarize(results, { total, known, seconds: (Date.now() - start) / 1000 })
}

function describeResult({ file, find, replace }, { outcome, killer, seconds, detail }) {
  const change = `${shorten(find)} → ${shorten(replace)}`
  const by = killer === undefined ? '' : ` by ${killer}`
  return `${outcome.padEnd(8)} ${seconds.toFixed(1).padStart(5)} s  ${file}: ${change}${by}${detail ? `\n${detail}` : ''}`
}

function shorten(text) {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line === '' ? '(nothing)' : line.length > 90 ? `${line.slice(0, 89)}…` : line
}

function summarize(results, { total, known, seconds }) {
  const not = results.filter(({ outcome }) => outcome !== 'killed')
  if (not.length > 0) print('\nnot killed:')
  for (const { mutant, ...result } of not) {
    print(`${describeResult(mutant, result)}\n  tests: ${mutant.tests.join(', ')}`)
  }
  const killed = results.length - not.length
  print(`\n${killed} killed, ${not.length} not killed, ${known} killed earlier, ${total - results.length} not tried`)
  print(`in ${seconds.toFixed(0)} s`)
  return not.length === 0 && results.length === total ? 0 : 1
}

function print(line) {
  process.stdout.write(`${line}\n`)
}

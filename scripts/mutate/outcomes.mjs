import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cache, root } from '../setup.mjs'

const file = join(cache, 'mutants.json')

/** The result of each mutant, kept between runs: valid while its source and its tests do not change. */
export class Outcomes {
  #kept = read()

  /** The test file that killed this mutant last time, even if it is outdated. */
  killerOf(mutant) {
    return this.#kept[nameOf(mutant)]?.killer
  }

  /** Whether a run has shown that the current tests kill it. */
  isKilled(mutant) {
    const kept = this.#kept[nameOf(mutant)]
    return kept?.outcome === 'killed' && kept.state === stateOf(mutant)
  }

  keep(mutant, { outcome, killer }) {
    this.#kept[nameOf(mutant)] = { outcome, killer, state: stateOf(mutant) }
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `${JSON.stringify(this.#kept, undefined, 1)}\n`)
  }
}

function nameOf({ file: source, find, replace }) {
  return [source, find, replace].join(' | ')
}

function stateOf({ file: source, tests }) {
  const hash = createHash('sha256').update(readFileSync(join(root, source)))
  for (const test of tests) for (const path of listFiles(test)) hash.update(readFileSync(join(root, path)))
  return hash.digest('hex').slice(0, 16)
}

function listFiles(test) {
  if (test.endsWith('.ts')) return [test]
  return readdirSync(join(root, test))
    .filter((name) => name.endsWith('.ts'))
    .toSorted()
    .map((name) => `${test}/${name}`)
}

function read() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}

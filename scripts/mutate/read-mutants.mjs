import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail, root } from '../setup.mjs'

const folder = join(root, 'scripts/mutate/mutants')

/**
 * Reads the list of mutants: one JSON file for each area, with objects of
 *
 * - `file`: the TypeScript source, relative to the root of the repository;
 * - `find`: text that occurs in it exactly once;
 * - `replace`: its replacement;
 * - `tests`: folders and files of tests, the most likely to fail first.
 *
 * Exits the script if a text does not occur exactly once: the condition has changed, and so must its mutant.
 */
export function readMutants() {
  const mutants = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .flatMap((name) => readArea(name))
  const problems = mutants.flatMap(findProblem)
  if (problems.length > 0) fail(`The list of mutants no longer matches the sources:\n${problems.join('\n')}`)
  return mutants
}

function readArea(name) {
  const area = name.replace(/\.json$/, '')
  return JSON.parse(readFileSync(join(folder, name), 'utf8')).map((mutant) => ({ area, ...mutant }))
}

function findProblem({ area, file, find, replace, tests, ...more }) {
  const isComplete = [file, find, replace].every((value) => typeof value === 'string') && Array.isArray(tests)
  if (!isComplete || Object.keys(more).length > 0)
    return [`${area}.json: a mutant must have file, find, replace and tests`]
  const missing = tests.filter((test) => !existsSync(join(root, test)))
  if (missing.length > 0) return [`${area}.json: found no ${missing.join(', ')}, which ${JSON.stringify(find)} names`]
  const count = readSource(file).split(find).length - 1
  if (count !== 1) return [`${area}.json: ${JSON.stringify(find)} is ${count} times in ${file}`]
  return find === replace ? [`${area}.json: ${JSON.stringify(find)} is replaced by itself`] : []
}

function readSource(file) {
  try {
    return readFileSync(join(root, file), 'utf8')
  } catch {
    return ''
  }
}

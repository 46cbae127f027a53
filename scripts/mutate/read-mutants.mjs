import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail, root } from '../setup.mjs'

const folder = join(root, 'scripts/mutate/mutants')

/**
 * The list: one JSON file for each area, of objects with
 *
 * - `file`: the TypeScript source, from the root of the repository;
 * - `find`: text that stands in it exactly once;
 * - `replace`: what to put in its place;
 * - `tests`: folders and files of tests, those first that are likely to fail.
 *
 * Ends the script when a text is not found exactly once: the condition has changed, and so must its mutant.
 */
export function readMutants() {
  const mutants = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .flatMap((name) => readArea(name))
  const problems = mutants.flatMap(findProblem)
  if (problems.length > 0) fail(`The list of mutants does not fit the sources any more:\n${problems.join('\n')}`)
  return mutants
}

function readArea(name) {
  const area = name.replace(/\.json$/, '')
  return JSON.parse(readFileSync(join(folder, name), 'utf8')).map((mutant) => ({ area, ...mutant }))
}

function findProblem({ area, file, find, replace, tests, ...more }) {
  const isComplete = [file, find, replace].every((value) => typeof value === 'string') && Array.isArray(tests)
  if (!isComplete || Object.keys(more).length > 0) return [`${area}.json: a mutant has file, find, replace and tests`]
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

/**
 * The `node:test` that compiled tests import. Every test has a time limit, for which Node.js 20 has no option. The
 * tests that a file registers while it is loaded become a suite for that file, with its hooks, so that several files
 * can share a process.
 */
import * as node from 'node:test'
import { testTimeout } from './limits.mjs'

export * from 'node:test'

/** The registrations of the file that is being loaded; undefined if there is none. */
let registered

/** Loads a file and runs its tests as a suite of that name. Resolves after them to whether there were any. */
export async function runFile(name, load) {
  registered = []
  try {
    await load()
  } catch (error) {
    registered.push(() => {
      void node.test('the file is loaded', () => {
        throw error
      })
    })
  }
  const all = registered
  registered = undefined
  await node.describe(name, () => {
    for (const register of all) register()
  })
  return all.length > 0
}

export const test = createTest()
export const it = createTest()
export const describe = createSuite()
export const suite = createSuite()
export const before = createHook(node.before)
export const after = createHook(node.after)
export const beforeEach = createHook(node.beforeEach)
export const afterEach = createHook(node.afterEach)

// eslint-disable-next-line import/no-default-export -- node:test has one
export default Object.assign(createTest(), { test, it, describe, suite, before, after, beforeEach, afterEach })

function createTest() {
  return withVariants(node.test, (original) => (...given) => {
    const [name, options, fn] = argumentsOf(given)
    return register(() => original(name, { timeout: testTimeout, ...options }, fn))
  })
}

function createSuite() {
  return withVariants(
    node.describe,
    (original) =>
      (...given) =>
        register(() => original(...argumentsOf(given))),
  )
}

function createHook(original) {
  return (...given) => void register(() => original(...given))
}

function register(begin) {
  if (registered === undefined) return begin()
  registered.push(begin)
  return Promise.resolve()
}

function withVariants(original, wrap) {
  const variants = ['skip', 'todo', 'only'].map((name) => [name, wrap(original[name])])
  return Object.assign(wrap(original), Object.fromEntries(variants))
}

/** The name, the options and the function, each of which is optional in node:test. */
function argumentsOf(given) {
  const name = typeof given[0] === 'string' ? given[0] : undefined
  const rest = name === undefined ? given : given.slice(1)
  const options = typeof rest[0] === 'function' ? {} : rest[0]
  const fn = rest.find((value) => typeof value === 'function')
  return [name ?? fn?.name, options, fn]
}

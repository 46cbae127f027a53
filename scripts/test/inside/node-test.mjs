/**
 * `node:test` as compiled tests see it: every test has a time limit, which Node.js 20 has no option for, and top-level
 * tests are counted, so that a process that runs several files knows which of them a test belongs to.
 */
import nodeTest, { describe as nodeDescribe } from 'node:test'
import { testTimeout } from './limits.mjs'

export * from 'node:test'

let depth = 0
let pending = []

/** Resolves once all top-level tests registered so far have ended, to their number since the last call. */
export async function settleTests() {
  const settled = pending
  pending = []
  await Promise.all(settled)
  return settled.length
}

export const test = createTest()
export const it = createTest()
export const describe = createSuite()
export const suite = createSuite()

// eslint-disable-next-line import/no-default-export -- node:test has one
export default Object.assign(createTest(), { test, it, describe, suite })

function createTest() {
  return withVariants(nodeTest, (original) => (...given) => {
    const [name, options, fn] = argumentsOf(given)
    return keep(original(name, { timeout: testTimeout, ...options }, fn))
  })
}

function createSuite() {
  return withVariants(nodeDescribe, (original) => (...given) => {
    const [name, options, fn] = argumentsOf(given)
    return keep(original(name, options, (...context) => runNested(fn, context)))
  })
}

// What is registered inside a suite does not stand at the top.
function runNested(fn, context) {
  depth += 1
  try {
    return fn?.(...context)
  } finally {
    depth -= 1
  }
}

function keep(promise) {
  if (depth === 0) pending.push(promise)
  return promise
}

function withVariants(original, wrap) {
  const variants = ['skip', 'todo', 'only'].map((name) => [name, wrap(original[name])])
  return Object.assign(wrap(original), Object.fromEntries(variants))
}

/** The name, the options and the function, each of which node:test lets be left out. */
function argumentsOf(given) {
  const name = typeof given[0] === 'string' ? given[0] : undefined
  const rest = name === undefined ? given : given.slice(1)
  const options = typeof rest[0] === 'function' ? {} : rest[0]
  const fn = rest.find((value) => typeof value === 'function')
  return [name ?? fn?.name, options, fn]
}

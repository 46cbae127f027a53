import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const packages = join(root, 'packages')

// A foreign symbol, a name that starts with an underscore, or the name of what an Express router stores.
const privateAccess = /getOwnPropertySymbols|Reflect\.\w+\(\w+, '(?:_|(?:lazyrouter|router|stack|handle)')/

test('private members of others are read only in their designated file', () => {
  const files = readdirSync(packages, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /^[\w-]+\/src\/.*\.ts$/.test(file))
  assert.ok(files.length > 0)
  const semantics = files.filter((file) => privateAccess.test(readFileSync(join(packages, file), 'utf8')))
  assert.deepEqual(semantics.toSorted(), [
    'client/src/https/node-internals.ts',
    'core/src/connection/node-internals.ts',
    'express/src/express-internals.ts',
    'fastify/src/fastify-internals.ts',
  ])
})

test('the table of private members names files that exist', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const [, table = ''] = /### Private members\n[^]*?\n\|[-|]+\n((?:\|.*\n)+)/.exec(text) ?? []
  const files = table
    .trim()
    .split('\n')
    .map((row) => /`([^`]+)` \|[^|]*\|$/.exec(row)?.[1] ?? row)
  assert.ok(files.length > 20)
  assert.deepEqual(
    files.filter((file) => !existsSync(join(packages, file))),
    [],
  )
})

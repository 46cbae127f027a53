import assert from 'node:assert/strict'
import test from 'node:test'
import { createQuestion } from '../../packages/core/src/authorizer/question.ts'

const facts = { principal: null, method: 'GET', path: '/open', rawHeaders: ['Host', 'API.example.:8443'] }

test('contains the listed headers only, with each of their lines', () => {
  const rawHeaders = [
    'Host',
    'a',
    'x-other',
    'x-tenant',
    'X-Tenant',
    'one',
    'Authorization',
    'Bearer x',
    'x-tenant',
    'two, three',
    '__proto__',
    'x',
  ]
  const question = createQuestion({ ...facts, rawHeaders }, ['x-tenant', 'x-absent', '__proto__'])
  assert.deepEqual(Object.entries(question?.headers ?? {}), [
    ['x-tenant', ['one', 'two, three']],
    ['x-absent', []],
    ['__proto__', ['x']],
  ])
  assert.ok(
    Object.isFrozen(question) && Object.isFrozen(question?.headers) && Object.isFrozen(question?.headers['x-tenant']),
  )
})

test('contains the host in lower case, without its port and a trailing dot', () => {
  const hosts: readonly (readonly [string, string])[] = [
    ['API.example.:8443', 'api.example'],
    ['api.example', 'api.example'],
    ['[::1]:443', '[::1]'],
    ['[::1]', '[::1]'],
    ['10.0.0.1:80', '10.0.0.1'],
  ]
  for (const [line, host] of hosts) {
    assert.equal(createQuestion({ ...facts, rawHeaders: ['Host', line] }, [])?.host, host)
    assert.equal(createQuestion({ ...facts, rawHeaders: [':authority', line, 'host', line] }, [])?.host, host)
  }
})

test('contains the revision only if there is one', () => {
  assert.equal(createQuestion({ ...facts, revision: 'sha256:a' }, [])?.revision, 'sha256:a')
  assert.ok(!('revision' in (createQuestion(facts, []) ?? assert.fail())))
})

test('creates no question if the path and the listed headers are longer than 16 Ki characters', () => {
  const rawHeaders = ['Host', 'a', 'x-long', 'x'.repeat(10_000), 'x-other', 'x'.repeat(100_000)]
  const path = `/${'x'.repeat(16 * 1024 - 10_001)}`
  assert.ok(createQuestion({ ...facts, path, rawHeaders }, ['x-long']))
  assert.equal(createQuestion({ ...facts, path: `${path}x`, rawHeaders }, ['x-long']), undefined)
})

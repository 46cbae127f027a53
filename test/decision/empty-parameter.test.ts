import assert from 'node:assert/strict'
import test from 'node:test'
import { missesCoveringRule } from '../../packages/authorization/src/empty-parameter.ts'
import type { PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { authenticated, denyAll } from '../../packages/authorization/src/requirement.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { parsePath } from '../../packages/authorization/src/target.ts'
import { isLastParameterEmpty } from '../../packages/fastify/src/read-request.ts'

const semantics: PathSemantics = { foldCase: false, foldTrailingSlash: false, comparesEscaped: 'unneeded' }
const rules = compileRules(
  [
    { path: '/files/*', allow: denyAll() },
    { path: '/users/@me/', allow: authenticated() },
    { path: '/users/*/*', allow: denyAll() },
    { path: '/**', allow: authenticated() },
  ],
  { localTrustDomain: 'saas.example' },
)

test('finds an empty last parameter that a broader rule would decide', () => {
  assert.equal(misses('/files/', { name: '' }), true)
  assert.equal(misses('/files/?a=b', { name: '' }), true)
  assert.equal(misses('/files/a', { name: 'a' }), false)
  assert.equal(misses('/files/a/', { name: 'a' }), false)
  assert.equal(misses('/other/', { name: '' }), false)
})

test('finds no other empty parameter', () => {
  assert.equal(misses('/files/', { '*': '' }), false)
  assert.equal(misses('/files/', undefined), false)
  assert.equal(misses('/files/', null), false)
  assert.equal(misses('/files/a', { name: '' }), false)
  assert.equal(misses('/files//', { name: '' }), false)
})

test('ignores a path that a rule names with its trailing slash, but only in this form', () => {
  assert.equal(misses('/users/@me/', { id: '@me', part: '' }), false)
  assert.equal(misses('/users/%40me/', { id: '@me', part: '' }), true)
  assert.equal(misses('/users/other/', { id: 'other', part: '' }), true)
})

function misses(url: string, params: unknown): boolean {
  const target = parsePath(url)
  if (!target.accepted || !isLastParameterEmpty(params)) return false
  const decisive = rules.find('GET', target, semantics)
  return missesCoveringRule(rules, decisive, { method: 'GET', target, semantics })
}

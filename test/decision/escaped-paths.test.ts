import assert from 'node:assert/strict'
import test from 'node:test'
import { decide, type DecisionRequest } from '../../packages/authorization/src/decide.ts'
import { exactSemantics, otherSpellings, type PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import {
  authenticated,
  custom,
  hasAuthority,
  perRoute,
  permitAll,
} from '../../packages/authorization/src/requirement.ts'
import type { Rule } from '../../packages/authorization/src/rule.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { createCaller } from './caller.ts'
import { targetOf } from './target-of.ts'

const fastify: PathSemantics = { foldCase: false, foldTrailingSlash: false, comparesEscaped: 'unneeded' }
const express: PathSemantics = { foldCase: false, foldTrailingSlash: false, comparesEscaped: 'all' }
const caller = createCaller('spiffe://saas.example/ns/production/sa/core-api', 'SERVICE_core-api')
const admin = hasAuthority('ADMIN')
const slash = { allowEncodedSlash: true }

test('lists each form that a router may compare, and the twice-decoded path', () => {
  const cases: readonly (readonly [sent: string, decoded: string, unneeded: string[], all: string[]])[] = [
    ['/a', '/a', [], []],
    ['/%40me', '/@me', ['/%40me'], ['/%40me']],
    ['/%3Ame/%3a', '/:me/:', ['/%3Ame/%3a'], ['/%3Ame/%3a']],
    ['/%61', '/a', ['/%61'], ['/%61']],
    ['/%21%7e%2E', '/!~.', ['/%21%7e%2E'], ['/%21%7e%2E']],
    ['/a%20b', '/a b', [], ['/a%20b']],
    ['/%C3%A9%41', '/éA', ['/é%41'], ['/é%41', '/%C3%A9%41']],
    ['/caf%C3%A9', '/café', [], ['/caf%C3%A9']],
    ['/%61%40', '/a@', ['/a%40', '/%61%40'], ['/a%40', '/%61%40']],
    ['/50%25', '/50%', ['/50%25'], ['/50%25']],
    ['/%2561', '/%61', ['/%2561', '/a'], ['/%2561', '/a']],
    ['/a%2Fb', '/a%2Fb', [], []],
    ['/a%2fb%40', '/a%2Fb@', ['/a%2fb%40'], ['/a%2fb%40']],
  ]
  for (const [sent, decoded, unneeded, all] of cases) {
    const target = targetOf(sent)
    assert.equal(target.path, decoded, sent)
    assert.deepEqual(
      otherSpellings(target, fastify).map(({ path }) => path),
      unneeded,
      sent,
    )
    assert.deepEqual(
      otherSpellings(target, express).map(({ path }) => path),
      all,
      sent,
    )
  }
})

test('compares all escaped forms if a reading does not specify them', () => {
  const target = targetOf('/%61%40')
  assert.deepEqual(otherSpellings(target, exactSemantics), otherSpellings(target, express))
})

test('denies a path whose escaped form reaches a rule that decides differently, whichever denies', () => {
  for (const semantics of [fastify, express]) {
    for (const [own, others] of [
      [authenticated(), admin],
      [admin, authenticated()],
    ] as const) {
      const rules = [
        { path: '/users/@me', allow: own },
        { path: '/users/*', allow: others },
      ]
      assert.equal(judge(rules, '/users/%40me', semantics), 'ambiguous_path')
    }
    const agreed = [
      { path: '/users/@me', allow: authenticated() },
      { path: '/users/*', allow: permitAll() },
    ]
    assert.equal(judge(agreed, '/users/%40me', semantics), 'allow')
    assert.equal(judge([{ path: '/users/*', allow: authenticated() }], '/users/%40me', semantics), 'allow')
    assert.equal(judge([{ path: '/users/@me', allow: authenticated() }], '/users/%40me', semantics), 'ambiguous_path')
    assert.equal(judge([{ path: '/users/@me', allow: admin }], '/users/%40me', semantics), 'authority_missing')
    assert.equal(judge([{ path: '/users/**', allow: admin }], '/users/%40me', semantics), 'authority_missing')
  }
})

test('denies an unnecessary escape that changes the decision, and a necessary one only if the router compares it', () => {
  const rules = [
    { path: '/users/me', allow: authenticated() },
    { path: '/users/é', allow: authenticated() },
    { path: '/users/*', allow: admin },
  ]
  assert.equal(judge(rules, '/users/m%65', fastify), 'ambiguous_path')
  assert.equal(judge(rules, '/users/m%65', express), 'ambiguous_path')
  assert.equal(judge(rules, '/users/%C3%A9', fastify), 'allow')
  assert.equal(judge(rules, '/users/%C3%A9', express), 'ambiguous_path')
})

test('denies a path that is decided differently when decoded twice', () => {
  const rules = [
    { path: '/users/me', allow: admin },
    { path: '/users/*', allow: authenticated() },
  ]
  assert.equal(judge(rules, '/users/%256de', fastify), 'ambiguous_path')
  assert.equal(judge(rules, '/users/%256dx', fastify), 'allow')
  assert.equal(judge(rules, '/users/50%25', express), 'allow')
})

test('denies a path if another router compares the escapes', () => {
  const rules = [
    { path: '/users/é', allow: authenticated() },
    { path: '/users/*', allow: admin },
  ]
  assert.equal(judge(rules, '/users/%C3%A9', fastify, express), 'ambiguous_path')
  assert.equal(judge(rules, '/users/%C3%A9', fastify, { ...fastify, foldTrailingSlash: true }), 'allow')
})

test('leaves a path to its route if one of its forms is left to it', () => {
  const rules = compileRules(
    [
      { path: '/users/@me', allow: authenticated() },
      { path: '/users/*', allow: perRoute() },
    ],
    { localTrustDomain: 'saas.example' },
  )
  const request = ask('/users/%40me', fastify)
  assert.equal(decide(rules, request).effect, 'deny')
  const toCome = decide(rules, { ...request, isRouteToCome: true })
  assert.equal(toCome.effect, 'allow')
  assert.notEqual(toCome, decide(rules, ask('/users/@me', fastify)))
})

test('evaluates each rule once, whatever the number of forms', () => {
  let asked = 0
  const count = custom('count', () => {
    asked += 1
    return true
  })
  const rules = [
    { path: '/users/@me', allow: authenticated() },
    { path: '/users/*', allow: count },
  ]
  assert.equal(judge(rules, '/users/%40m%65', express, { ...express, foldTrailingSlash: true }), 'allow')
  assert.equal(asked, 1)
})

test('treats a segment with an encoded slash as one segment if the rule allows it', () => {
  const rules = [{ path: '/projects/*', allow: authenticated(), ...slash }]
  assert.equal(judge(rules, '/projects/ns%2Frepo', fastify), 'allow')
  assert.equal(judge(rules, '/projects/ns%2frepo', express), 'allow')
  assert.equal(judge(rules, '/projects/ns/repo', fastify), 'no_rule')
  assert.equal(
    judge([{ path: '/projects/**', allow: authenticated(), ...slash }], '/projects/a%2Fb/c', fastify),
    'allow',
  )
})

test('denies an encoded slash if the rule does not allow it, or no rule matches', () => {
  const rules = [
    { path: '/projects/*', allow: authenticated() },
    { path: '/files/*', allow: authenticated(), allowEncodedSlash: false },
    { path: '/other/*', allow: authenticated(), ...slash },
  ]
  for (const path of ['/projects/a%2Fb', '/files/a%2Fb', '/none/a%2Fb', '/other%2Fa']) {
    assert.equal(judge(rules, path, fastify), 'encoded_delimiter', path)
  }
})

test('checks every form of the path for whether it may contain an encoded slash', () => {
  const rules = [
    { path: '/users/@me/*', allow: authenticated(), ...slash },
    { path: '/users/*/*', allow: authenticated() },
  ]
  assert.equal(judge(rules, '/users/@me/a%2Fb', fastify), 'allow')
  assert.equal(judge(rules, '/users/%40me/a%2Fb', fastify), 'ambiguous_path')
})

test('denies an encoded slash that decodes to a path which an earlier rule denies', () => {
  const rules = [
    { path: '/files/secret/**', allow: admin },
    { path: '/files/**', allow: authenticated(), ...slash },
    { path: '/projects/*', allow: authenticated(), ...slash },
    { path: '/**', allow: admin },
  ]
  assert.equal(judge(rules, '/files/secret%2Fx', fastify), 'ambiguous_path')
  assert.equal(judge(rules, '/files/public%2Fx', fastify), 'allow')
  assert.equal(judge(rules, '/projects/ns%2Frepo', fastify), 'allow')
  const folded = { ...fastify, foldCase: 'ascii' } as const
  assert.equal(judge(rules, '/files/SECRET%2Fx', fastify), 'allow')
  assert.equal(judge(rules, '/files/SECRET%2Fx', fastify, folded), 'ambiguous_path')
})

function judge(rules: readonly Rule[], path: string, semantics: PathSemantics, otherSemantics?: PathSemantics): string {
  const compiled = compileRules(rules, { localTrustDomain: 'saas.example' })
  const decision = decide(compiled, { ...ask(path, semantics), otherSemantics })
  return decision.effect === 'allow' ? 'allow' : decision.reason
}

function ask(path: string, semantics: PathSemantics): DecisionRequest {
  return { principal: caller, method: 'GET', target: targetOf(path), message: { headers: {} }, semantics }
}

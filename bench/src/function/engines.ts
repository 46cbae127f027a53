import { readFile } from 'node:fs/promises'
import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import { loadPolicy } from '@open-policy-agent/opa-wasm'
import { newEnforcer, newModelFromString, StringAdapter } from 'casbin'
import micromatch from 'micromatch'
import picomatch from 'picomatch'
import { isObject } from '../measure/is-object.ts'
import type { Call } from '../measure/time-calls.ts'
import { callerId, path, writeRules } from '../workload.ts'

/** Alternatives for Node: lists as in common handwritten code, and policy engines. */
export const engines = [
  'regular expressions',
  'globs (micromatch)',
  'globs (picomatch)',
  'casbin',
  'cedar-wasm',
  'opa-wasm',
] as const
export type Engine = (typeof engines)[number]

/**
 * Creates the call to an engine that decides whether the caller may read `path`, with the same number of rules for the
 * same paths. Casbin, Cedar and OPA are more general engines; each is called in its fastest way.
 */
export async function createEngine(engine: Engine, count: number): Promise<Call> {
  const call = await creators[engine](patternsOf(count))
  if (call()) return call
  throw new Error(`${engine}: found a denial, expected the caller to be allowed`)
}

const authority = 'SERVICE_core-api'

const creators: Readonly<Record<Engine, (patterns: readonly string[]) => Promise<() => boolean> | (() => boolean)>> = {
  'regular expressions': (patterns) => searchList(patterns.map((pattern) => createTest(toExpression(pattern)))),
  'globs (micromatch)': (patterns) => searchList(patterns.map((pattern) => micromatch.matcher(pattern))),
  'globs (picomatch)': (patterns) => searchList(patterns.map((pattern) => picomatch(pattern))),
  casbin: createCasbin,
  'cedar-wasm': createCedar,
  'opa-wasm': createOpa,
}

// The first match decides, as in common handwritten code: a loop over a list.
function searchList(tests: readonly ((path: string) => boolean)[]): () => boolean {
  const authorities = new Set([authority])
  const list = tests.map((test) => ({ test, authority }))
  return () => {
    for (const rule of list) if (rule.test(path)) return authorities.has(rule.authority)
    return false
  }
}

async function createCasbin(patterns: readonly string[]): Promise<() => boolean> {
  const model = newModelFromString(`
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.act == p.act && keyMatch2(r.obj, p.obj)`)
  const policies = patterns.map(
    (pattern) => `p, ${authority}, ${pattern.replace('/**', '/*').replaceAll('/*/', '/:any/')}, GET`,
  )
  const enforcer = await newEnforcer(model, new StringAdapter(policies.join('\n')))
  return () => enforcer.enforceSync(authority, path, 'GET')
}

function createCedar(patterns: readonly string[]): () => boolean {
  const policies = patterns.map(
    (pattern) =>
      `permit(principal in Authority::"${authority}", action == Action::"GET", resource) when { context.path like "${pattern.replace('/**', '/*')}" };`,
  )
  const parsed = preparsePolicySet('bench', { staticPolicies: policies.join('\n') })
  if (parsed.type === 'failure') throw new Error('found policies that Cedar rejects')
  const request = {
    principal: { type: 'Workload', id: callerId },
    action: { type: 'Action', id: 'GET' },
    resource: { type: 'Service', id: 'billing' },
    context: { path },
    preparsedPolicySetId: 'bench',
    entities: [
      { uid: { type: 'Workload', id: callerId }, attrs: {}, parents: [{ type: 'Authority', id: authority }] },
      { uid: { type: 'Authority', id: authority }, attrs: {}, parents: [] },
    ],
  }
  return () => {
    const answer = statefulIsAuthorized(request)
    return answer.type === 'success' && answer.response.decision === 'allow'
  }
}

async function createOpa(patterns: readonly string[]): Promise<() => boolean> {
  const policy = await loadPolicy(await readFile(new URL('../../opa/rules.wasm', import.meta.url)))
  policy.setData({
    rules: patterns.map((pattern) =>
      pattern.endsWith('/**')
        ? { authority, prefix: pattern.slice(0, -'**'.length) }
        : { authority, segments: pattern.split('/') },
    ),
  })
  const input = { path, authorities: [authority] }
  return () => {
    const results: unknown = policy.evaluate(input)
    const first: unknown = Array.isArray(results) ? results[0] : undefined
    return isObject(first) && 'result' in first && first.result === true
  }
}

function patternsOf(count: number): readonly string[] {
  return writeRules(count).rules.map((rule) => rule.path)
}

function createTest(expression: RegExp): (path: string) => boolean {
  return (text) => expression.test(text)
}

function toExpression(pattern: string): RegExp {
  return new RegExp(
    `^${pattern
      .replaceAll('.', '\\.')
      .replace(/\/\*\*$/, '(?:/.*)?')
      .replaceAll('/*', '/[^/]+')}$`,
  )
}

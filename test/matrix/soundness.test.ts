import assert from 'node:assert/strict'
import test from 'node:test'
import {
  type AccessMatrix,
  allOf,
  anyOf,
  authenticated,
  callers as callersOf,
  compilePolicies,
  compileRules,
  createAccessMatrix,
  custom,
  denyAll,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  type Layers,
  type MatrixCell,
  type Policy,
  type Principal,
  type Requirement,
} from '@countersign/authorization'
import * as fc from 'fast-check'
import { exactSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { decideLayers } from '../../packages/authorization/src/policy/decide-policies.ts'
import { createHypotheticalPrincipal } from '../../packages/core/src/principal/create-principal.ts'
import { createPossibleWorkloads } from '../../packages/core/src/principal/possible-callers.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'
import { targetOf } from '../decision/target-of.ts'
import { factsOf } from '../policies/request-of.ts'
import { scale } from '../support/long.ts'

/*
 * Every request belongs to one cell. If the cell is not `depends`, it is the decision on the request, whatever its
 * headers, addresses, host and port are, and whatever custom functions return.
 */

const trustDomains = ['ours.example', 'partner.example']
const policy = { localTrustDomain: 'ours.example', namespaces: new Set(['x']) }
const possible = createPossibleWorkloads(trustDomains, policy)

const segment = fc.constantFrom('a', 'b', 'c')
const name = fc.constantFrom('x', 'y', 'z')
const literal = fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join('/')}`)
const pattern = fc
  .tuple(fc.array(fc.oneof(segment, fc.constant('*')), { maxLength: 3 }), fc.boolean())
  .map(([segments, rest]) => `/${[...segments, ...(rest ? ['**'] : [])].join('/')}`)
const caller = fc
  .tuple(fc.constantFrom(...trustDomains), name, name)
  .map(([trustDomain, namespace, account]) => `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`)
const callerPattern = fc
  .tuple(
    fc.constantFrom(...trustDomains),
    fc.oneof(name, fc.constant('*')),
    fc.oneof(name, fc.constant('*')),
    fc.boolean(),
  )
  .map(([trustDomain, namespace, account, rest]) =>
    rest ? `spiffe://${trustDomain}/ns/${namespace}/**` : `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`,
  )
const method = fc.constantFrom('GET', 'POST', 'DELETE', 'PUT')
const methods = fc.uniqueArray(fc.constantFrom('GET', 'POST', 'DELETE'), { minLength: 1, maxLength: 2 })

let answer = true
const leaf: fc.Arbitrary<Requirement> = fc.oneof(
  fc.constant(authenticated()),
  fc.constant(denyAll()),
  fc.constant(custom('some time', () => answer)),
  name.map((account) => hasAuthority(`SERVICE_${account}`)),
  name.map((namespace) => inNamespace(namespace)),
  fc.constantFrom(...trustDomains).map((trustDomain) => inTrustDomain(trustDomain)),
  callerPattern.map((one) => callersOf(one)),
)
const requirement = fc.oneof(
  leaf,
  fc.tuple(leaf, leaf).map(([one, other]) => anyOf(one, other)),
  fc.tuple(leaf, leaf).map(([one, other]) => allOf(one, other)),
)
const rule = fc.record({ path: pattern, allow: requirement, methods }, { requiredKeys: ['path', 'allow'] })
const list = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> =>
  fc.uniqueArray(value, { minLength: 1, maxLength: 2 })
const from = fc.oneof(
  fc.record({ callers: list(callerPattern) }),
  fc.record({ notCallers: list(callerPattern) }),
  fc.record({ namespaces: list(name) }),
  fc.record({ notNamespaces: list(name), ipBlocks: fc.constant(['10.0.0.0/8']) }),
  fc.record({ authorities: list(name.map((account) => `SERVICE_${account}`)) }),
  fc.record({ trustDomains: list(fc.constantFrom(...trustDomains)) }),
)
const to = fc.oneof(
  fc.record({ paths: list(pattern), methods }, { requiredKeys: ['paths'] }),
  fc.record({ notPaths: list(pattern) }),
  fc.record({ notMethods: methods }),
  fc.record({ paths: list(pattern), hosts: fc.constant(['api.example']) }),
)
const when = fc.constant([{ header: 'x-tenant', values: ['blue'] }])
const anyPolicy = fc.record(
  {
    action: fc.constantFrom<Policy['action']>('ALLOW', 'DENY'),
    from: fc.array(from, { minLength: 1, maxLength: 2 }),
    to: fc.array(to, { minLength: 1, maxLength: 2 }),
    when,
  },
  { requiredKeys: ['action'] },
)

test('every request gets what its cell says', () => {
  const counts = { allow: 0, deny: 0, depends: 0 }
  fc.assert(
    fc.property(
      fc.array(rule, { minLength: 1, maxLength: 4 }),
      fc.array(anyPolicy, { maxLength: 4 }),
      fc.array(fc.tuple(caller, method, literal), { minLength: 20, maxLength: 20 }),
      fc.constantFrom('10.1.2.3', '192.0.2.1'),
      fc.constantFrom('blue', 'red'),
      fc.constantFrom('api.example', 'other.example'),
      fc.boolean(),
      (rules, policies, requests, address, tenant, host, isAllowed) => {
        const layers = compile(rules, policies)
        if (layers === undefined) return
        answer = isAllowed
        const matrix = createAccessMatrix({ layers, callers: possible, principalOf })
        const facts = factsOf({ host, socketAddress: address, remoteAddress: address, headers: [['x-tenant', tenant]] })
        for (const [spiffeId, asked, path] of requests) {
          const cell = findCell(matrix, spiffeId, asked, path)
          counts[cell.effect] += 1
          const { effect } = decideLayers(layers, {
            principal: principalOf(spiffeId),
            method: asked,
            target: targetOf(path),
            semantics: exactSemantics,
            message: { headers: {} },
            facts,
          })
          if (cell.effect !== 'depends')
            assert.equal(effect, cell.effect, `${spiffeId} ${asked} ${path}: ${cell.because}`)
        }
      },
    ),
    { numRuns: scale(400, 20_000) },
  )
  // A generator that only produces one effect would prove nothing.
  for (const [effect, count] of Object.entries(counts)) assert.ok(count > 50, `${count} times ${effect}`)
})

test('every request for a route that was asked for gets what its cell says', () => {
  const counts = { allow: 0, deny: 0, depends: 0 }
  fc.assert(
    fc.property(
      fc.array(rule, { minLength: 1, maxLength: 4 }),
      fc.array(anyPolicy, { maxLength: 1 }),
      fc.record({ path: pattern, method }, { requiredKeys: ['path'] }),
      fc.array(fc.tuple(caller, method, literal), { minLength: 60, maxLength: 60 }),
      (rules, policies, route, requests) => {
        const layers = compile(rules, policies)
        if (layers === undefined) return
        const matrix = createAccessMatrix({ layers, callers: possible, principalOf, routes: [route] })
        for (const [spiffeId, asked, path] of requests) {
          if (!isOfPattern(route.path, path) || asked !== (route.method ?? asked)) continue
          const cell = findCell(matrix, spiffeId, asked, path)
          counts[cell.effect] += 1
          const { effect } = decideLayers(layers, {
            principal: principalOf(spiffeId),
            method: asked,
            target: targetOf(path),
            semantics: exactSemantics,
            message: { headers: {} },
          })
          if (cell.effect !== 'depends')
            assert.equal(effect, cell.effect, `${spiffeId} ${asked} ${path}: ${cell.because}`)
        }
      },
    ),
    { numRuns: scale(1000, 20_000) },
  )
  for (const [effect, count] of Object.entries(counts)) assert.ok(count > 50, `${count} times ${effect}`)
})

function principalOf(spiffeId: string): Principal {
  return createHypotheticalPrincipal(SpiffeId.parse(spiffeId), policy)
}

// Unreachable rules are refused; such a list is left out.
function compile(rules: readonly object[], policies: readonly Omit<Policy, 'name'>[]): Layers | undefined {
  const context = { localTrustDomain: 'ours.example' }
  try {
    return {
      rules: compileRules(rules, context),
      policies: compilePolicies(
        policies.map((each, index) => ({ name: `policy ${index}`, ...each })),
        { ...context, isAllowRequired: false },
      ),
    }
  } catch {
    return undefined
  }
}

/** Finds the cell as a reader does: the most specific row and column that the request belongs to. */
function findCell({ rows, routes }: AccessMatrix, spiffeId: string, asked: string, path: string): MatrixCell {
  const row = rows.find(({ caller: described }) => isInRow(described, spiffeId))
  const columns = routes.flatMap((route, index) =>
    isOfPattern(route.path, path) && (route.method === '*' || route.method === asked) ? [{ route, index }] : [],
  )
  const [best] = columns.toSorted(
    (one, other) => compareSpecificity(one.route.path, other.route.path) || (one.route.method === '*' ? 1 : -1),
  )
  const cell = best && row?.cells[best.index]
  assert.ok(cell !== undefined, `${spiffeId} ${asked} ${path} has no cell`)
  return cell
}

// Rows are in the order of specificity.
function isInRow(described: string, spiffeId: string): boolean {
  if (described === spiffeId) return true
  const [, wanted] = /^any other workload that matches (.*)$/.exec(described) ?? []
  if (wanted !== undefined) return isOfPattern(wanted, spiffeId)
  const [, namespace] = /^any other workload of ns\/(.*)$/.exec(described) ?? []
  if (namespace !== undefined) return spiffeId.startsWith(`spiffe://ours.example/ns/${namespace}/sa/`)
  const [, trustDomain] = /^any other workload of (.*)$/.exec(described) ?? []
  return trustDomain !== undefined && spiffeId.startsWith(`spiffe://${trustDomain}/`)
}

function isOfPattern(wanted: string, found: string): boolean {
  const source = wanted.replaceAll(/\/\*\*$/g, '(?:/.*)?').replaceAll(/(?<![.])\*/g, '[^/]+')
  return new RegExp(`^${source}$`).test(found)
}

// A literal segment before `*`, and `*` before the end or the rest.
function compareSpecificity(one: string, other: string): number {
  const [left, right] = [one, other].map((path) =>
    path
      .split('/')
      .map((part) => ({ '**': '3', '*': '2' })[part] ?? '0')
      .join(''),
  )
  return (left ?? '') < (right ?? '') ? -1 : (left ?? '') > (right ?? '') ? 1 : 0
}

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  isCredentialKind,
  type Policy,
  type PolicyFrom,
  type PolicyHeader,
  type PolicyTo,
  type Requirement,
  type Rule,
} from '@countersign/authorization'
import { httpMethods } from '../../packages/authorization/src/http-methods.ts'

const schema: unknown = JSON.parse(
  readFileSync(fileURLToPath(import.meta.resolve('@countersign/policy/schema.json')), 'utf8'),
)

type Names<Type> = Readonly<Record<keyof Type, true>>
type KeyOf<Kind> = Kind extends unknown ? keyof Kind : never

// The compiler requires every field of the types.
const rule: Names<Rule> = {
  path: true,
  methods: true,
  allow: true,
  allowEncodedSlash: true,
  audit: true,
  declaredAt: true,
}
const requirement: Readonly<Record<KeyOf<Requirement>, true>> = {
  hasAuthority: true,
  hasAnyAuthority: true,
  hasAllAuthorities: true,
  authenticated: true,
  permitAll: true,
  denyAll: true,
  anonymous: true,
  provenBy: true,
  callers: true,
  serviceAccounts: true,
  inNamespace: true,
  inTrustDomain: true,
  allOf: true,
  anyOf: true,
  custom: true,
  perRoute: true,
}
const policy: Names<Policy> = {
  name: true,
  action: true,
  from: true,
  to: true,
  when: true,
  maxLifetime: true,
  breakGlass: true,
  audit: true,
  declaredAt: true,
}
const from: Names<PolicyFrom> = {
  callers: true,
  notCallers: true,
  serviceAccounts: true,
  notServiceAccounts: true,
  namespaces: true,
  notNamespaces: true,
  trustDomains: true,
  notTrustDomains: true,
  authorities: true,
  notAuthorities: true,
  credentials: true,
  notCredentials: true,
  anonymous: true,
  ipBlocks: true,
  notIpBlocks: true,
  remoteIpBlocks: true,
  notRemoteIpBlocks: true,
}
const to: Names<PolicyTo> = {
  methods: true,
  notMethods: true,
  paths: true,
  notPaths: true,
  hosts: true,
  notHosts: true,
  ports: true,
  notPorts: true,
}
const header: Names<PolicyHeader> = { header: true, values: true, notValues: true }

const onlyInCode = ['custom', 'perRoute', 'declaredAt']

for (const [name, fields] of Object.entries({ rule, requirement, policy, from, to, header })) {
  test(`the schema has each field of a ${name}, with a description`, () => {
    const properties = fieldsOf(at(schema, '$defs', name, 'properties'))
    const expected = Object.keys(fields).filter((each) => !onlyInCode.includes(each))
    assert.deepEqual(Object.keys(properties).toSorted(), expected.toSorted())
    for (const [field, value] of Object.entries(properties)) {
      assert.match(String(at(value, 'description')), /^[A-Z`].{5,}\.$/, `${name}.${field}`)
    }
    assert.equal(at(schema, '$defs', name, 'additionalProperties'), false)
  })
}

test('the schema has the methods and credentials that rules accept', () => {
  assert.deepEqual(at(schema, '$defs', 'methods', 'items', 'enum'), httpMethods)
  const credentials = at(schema, '$defs', 'credentials', 'items', 'enum')
  assert.ok(Array.isArray(credentials) && credentials.length === 5 && credentials.every(isCredentialKind))
})

test('every object of the schema refuses unknown fields', () => {
  const open: string[] = []
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return
    if (Reflect.get(value, 'type') === 'object' && Reflect.get(value, 'additionalProperties') !== false) open.push(path)
    for (const [key, each] of Object.entries(value)) visit(each, `${path}/${key}`)
  }
  visit(schema, '')
  assert.deepEqual(open, [])
})

test('the schema has an identifier with the version of the format', () => {
  assert.equal(at(schema, '$id'), 'https://example.com/countersign/schema/policy-document-1.json')
  assert.equal(at(schema, 'properties', 'version', 'const'), 1)
})

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce((each: unknown, name) => fieldsOf(each)[name], value)
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

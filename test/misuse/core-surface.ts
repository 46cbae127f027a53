import assert from 'node:assert/strict'
import * as core from '@countersign/core'
import * as adapter from '@countersign/core/adapter'
import * as spiffe from '@countersign/spiffe'
import { kinds, optional, optionsOf, parameter, type Parameter, svid } from './kinds.ts'
import { authority, call, callMethod, coreApi, create, guard, rules, source } from './mistakes.ts'

const material = { key: svid.keyPem, cert: svid.certificatePem, bundles: { 'saas.example': authority.bundlePem } }
const servers = { servers: [coreApi] }
const question = { caller: null, method: 'GET', path: '/' }
const semantics = { foldCase: false, foldTrailingSlash: false }

/** The public surface of core. */
export function listCoreParameters(): readonly Parameter[] {
  return [...requirementParameters(), ...coreParameters(), ...guardParameters()]
}

function requirementParameters(): readonly Parameter[] {
  return [
    ...['hasAuthority', 'hasAnyAuthority', 'hasAllAuthorities', 'inNamespace', 'inTrustDomain'].map((name) =>
      parameter(name, 'text', (value) => callMethod(core, name, value)),
    ),
    ...['authenticated', 'permitAll', 'denyAll', 'anonymous', 'perRoute'].map((name) =>
      parameter(name, 'undefined number', (value) => callMethod(core, name, value)),
    ),
    ...['callers', 'serviceAccounts', 'allOf', 'anyOf', 'provenBy'].map((name) =>
      parameter(name, 'none', (value) => callMethod(core, name, value)),
    ),
    parameter('hasAuthority second', 'undefined number', (value) => call(core.hasAuthority, 'A', value)),
    parameter('custom name', 'text', (value) => call(core.custom, value, () => true)),
    parameter('custom test', 'function express', (value) => call(core.custom, 'x', value)),
    parameter('custom third', 'undefined number', (value) => call(core.custom, 'x', () => true, value)),
    parameter('parseRequirement', 'none', (value) => call(adapter.parseRequirement, value, 'requirement')),
  ]
}

function coreParameters(): readonly Parameter[] {
  const identity = { authorities: { 'core-api': ['A'] } }
  return [
    parameter('createGuard', 'none', (value) => call(core.createGuard, value)),
    ...optionsOf('createGuard', { source, rules, log: () => undefined }, (options) => call(core.createGuard, options), {
      source: 'source',
      rules: 'undefined',
      authorizer: 'undefined',
      trustDomains: 'undefined',
      namespaces: 'undefined',
      authorities: 'undefined function express',
      identity: 'undefined',
      maxCertificateLifetime: 'undefined',
      tls: optional,
      onExpiry: 'undefined',
      log: 'undefined function express',
      formatDenial: 'undefined function express',
    }),
    ...optionsOf('createGuard rule', rules[0] ?? {}, (rule) => call(core.createGuard, { source, rules: [rule] }), {
      path: 'none',
      methods: 'undefined',
      allow: 'none',
    }),
    parameter('authorizer', 'none', (value) => call(core.authorizer, value)),
    ...optionsOf('authorizer', { name: 'engine', decide: () => true }, (options) => call(core.authorizer, options), {
      name: 'text',
      decide: 'function express',
      headers: 'undefined',
      timeout: 'undefined number',
      maxConcurrent: 'undefined number',
      maxConcurrentPerCaller: 'undefined number',
      cache: 'undefined',
    }),
    parameter('createDialer source', 'source', (value) => call(adapter.createDialer, value, servers, 'x')),
    parameter('createDialer options', 'none', (value) => call(adapter.createDialer, source, value, 'x')),
    parameter('isDenial', 'none', (value) => call(adapter.isDenial, value)),
    parameter('parseTrustDomain', 'text', (value) => call(core.parseTrustDomain, value)),
    parameter('SpiffeId.parse', 'none', (value) => callMethod(core.SpiffeId, 'parse', value)),
    ...materialParameters(),
    parameter('X509Bundle.parse name', 'text', (value) =>
      callMethod(core.X509Bundle, 'parse', value, authority.bundlePem),
    ),
    ...['commonName', 'dnsName'].flatMap((name) => [
      parameter(name, 'none', (value) => callMethod(core, name, value)),
      ...optionsOf(name, identity, (options) => callMethod(core, name, options), { authorities: 'none' }),
    ]),
    parameter('fileSource', 'none', (value) => call(core.fileSource, value)),
    ...optionsOf('fileSource', { key: '/x', cert: '/x', bundles: '/x' }, (options) => call(core.fileSource, options), {
      key: 'none',
      cert: 'none',
      bundles: 'none',
      keyStore: 'none',
      ca: 'none',
      pollMs: 'none',
    }),
    parameter('staticSource', 'none', (value) => call(core.staticSource, value)),
    ...optionsOf('staticSource', material, (options) => call(core.staticSource, options), {
      key: 'none',
      cert: 'none',
      bundles: 'none',
    }),
  ]
}

function materialParameters(): readonly Parameter[] {
  const bundle = core.X509Bundle.parse('saas.example', authority.bundlePem)
  const open = (): object => core.createReplaceableSource()
  const notice = { outcome: 'warning', detail: 'x' }
  return [
    parameter('X509Bundle.parse', 'none', (value) => callMethod(core.X509Bundle, 'parse', 'saas.example', value)),
    parameter('X509Bundle.withRevocation', 'list', (value) => callMethod(bundle, 'withRevocation', value)),
    parameter('CaBundle.parse', 'none', (value) => callMethod(core.CaBundle, 'parse', value)),
    parameter('parseBundleMap', 'none', (value) => call(core.parseBundleMap, value)),
    parameter('decodeCrl', 'none', (value) => call(core.decodeCrl, value)),
    parameter('applyCrls bundles', 'map', (value) => call(spiffe.applyCrls, value, [], new Set())),
    parameter('applyCrls crls', 'list', (value) => call(spiffe.applyCrls, new Map(), value, new Set())),
    parameter('applyCrls demanded', 'none', (value) => call(spiffe.applyCrls, new Map(), [], value)),
    parameter('createMaterial', 'none', (value) => call(core.createMaterial, value)),
    parameter('createMaterial now', 'undefined', (value) => call(core.createMaterial, material, value)),
    ...optionsOf('createMaterial', material, (options) => call(core.createMaterial, options), {
      key: 'none',
      cert: 'none',
      bundles: 'none',
    }),
    parameter('createReplaceableSource', 'undefined', (value) => call(core.createReplaceableSource, value)),
    parameter('ReplaceableSource.replace', 'none', (value) => callMethod(open(), 'replace', value)),
    parameter('ReplaceableSource.withdraw', 'none', (value) => callMethod(open(), 'withdraw', value)),
    parameter('ReplaceableSource.notify', 'none', (value) => callMethod(open(), 'notify', value)),
    ...optionsOf('ReplaceableSource.notify', notice, (options) => callMethod(open(), 'notify', options), {
      outcome: 'text',
      detail: 'text',
    }),
    parameter('ReplaceableSource.onUpdate', 'function express', (value) => callMethod(open(), 'onUpdate', value)),
    parameter('ReplaceableSource.onNotice', 'function express', (value) => callMethod(open(), 'onNotice', value)),
  ]
}

function guardParameters(): readonly Parameter[] {
  const probes = { port: 0, host: '127.0.0.1', paths: ['/livez'] }
  const listen = async (options: unknown): Promise<void> => {
    const listener: unknown = await callMethod(guard, 'probeListener', options)
    assert.ok(typeof listener === 'object' && listener !== null)
    await callMethod(listener, 'close')
  }
  return [
    parameter('Guard.attach', 'none', (value) => callMethod(guard, 'attach', value)),
    parameter('Guard.compileRoute', 'none', (value) => callMethod(guard, 'compileRoute', value, 'x')),
    parameter('Guard.useDefaultLog', 'function express', (value) => callMethod(create(), 'useDefaultLog', value)),
    ...['admit', 'authenticate', 'admitConnection'].map((name) =>
      parameter(`Guard.${name}`, Object.keys(kinds).join(' '), (value) => {
        const verdict: unknown = callMethod(guard, name, value)
        assert.ok(typeof verdict === 'object' && verdict !== null && 'effect' in verdict)
      }),
    ),
    parameter('Guard.explain', 'none', (value) => callMethod(guard, 'explain', value)),
    ...optionsOf('Guard.explain', question, (options) => callMethod(guard, 'explain', options), {
      caller: 'null',
      method: 'text',
      path: 'text',
      allow: 'undefined',
      headers: 'undefined object instance svid',
      semantics: 'undefined',
    }),
    ...optionsOf(
      'Guard.explain reading',
      semantics,
      (read) => callMethod(guard, 'explain', { ...question, semantics: read }),
      {
        foldCase: 'none',
        foldTrailingSlash: 'true',
      },
    ),
    parameter('Guard.probeListener', 'none', listen),
    ...optionsOf('Guard.probeListener', probes, listen, { host: 'undefined', paths: 'none' }),
  ]
}

import { after } from 'node:test'
import { createAgent, createFetch, createTlsServer } from '@countersign/client'
import { hasAuthority } from '@countersign/core'
import { createAuthority, createKey } from '@countersign/testkit'
import { startAgent } from '@countersign/testkit/workload-api'
import {
  createWorkloadApiClient,
  formatEndpoint,
  parseEndpointAddress,
  workloadApiSource,
} from '@countersign/workload-api'
import express from 'express'
import { authority, call, callMethod, checkMistakes, coreApi, guard, source } from './mistakes.ts'

const servers = { servers: [coreApi] }
const agent = await startAgent({ authority })
after(() => agent.close())
const client = createWorkloadApiClient({ endpoint: agent.endpoint })
const caller = authority.as(coreApi)
const svid = authority.issue(coreApi)

checkMistakes([
  [
    'createFetch with its arguments in one object',
    () => call(createFetch, { source, ...servers }),
    'option_invalid',
    /createFetch: source: found an object/,
  ],
  [
    'createAgent with its arguments swapped',
    () => call(createAgent, servers, source),
    'option_invalid',
    /createAgent: source: found an object/,
  ],
  [
    'createAgent without servers',
    () => call(createAgent, source),
    'option_invalid',
    /createAgent: found undefined, expected an object with options such as servers/,
  ],
  [
    'createFetch with a word for allowH2',
    () => call(createFetch, source, { ...servers, allowH2: 'yes' }),
    'option_invalid',
    /allowH2: found 'yes', expected true or false/,
  ],
  [
    'createAgent with an unknown scheduling',
    () => call(createAgent, source, { ...servers, scheduling: 'random' }),
    'option_invalid',
    /scheduling/,
  ],
  [
    'createTlsServer with its arguments swapped',
    () => call(createTlsServer, source, () => undefined, { callers: [coreApi] }),
    'option_invalid',
    /createTlsServer: onPeer: found an object/,
  ],
  [
    'callers that cannot be met',
    () => createTlsServer(source, { callers: hasAuthority('ADMIN') }, () => undefined),
    'rule_invalid',
    /^createTlsServer: callers\.hasAuthority/,
  ],
  [
    'an option of createTlsServer',
    () => call(createTlsServer, source, { callers: [coreApi], trustDomains: 'x' }, () => undefined),
    'option_invalid',
    /^createTlsServer: trustDomains/,
  ],
  // Workload API
  [
    'workloadApiSource with an address alone',
    () => call(workloadApiSource, 'unix:///agent.sock'),
    'option_invalid',
    /^workloadApiSource: found 'unix:.*expected an object/,
  ],
  [
    'a client with an unknown option',
    () => call(createWorkloadApiClient, { socket: 'unix:///a' }),
    'option_unknown',
    /'socket'/,
  ],
  [
    'an endpoint that is not text',
    () => call(parseEndpointAddress, new URL('unix:///a')),
    'option_invalid',
    /endpoint: found an object of class URL, expected unix:/,
  ],
  [
    'an endpoint that was not parsed',
    () => call(formatEndpoint, 'unix:///a'),
    'option_invalid',
    /formatEndpoint: found 'unix:.*parseEndpointAddress/,
  ],
  [
    'an audience alone',
    () => callMethod(client, 'fetchJwtSvid', 'billing'),
    'option_invalid',
    /^fetchJwtSvid: found 'billing', expected an object/,
  ],
  [
    'an audience that is not a list',
    () => callMethod(client, 'fetchJwtSvid', { audience: 'billing' }),
    'option_invalid',
    /audience: found 'billing', expected a list/,
  ],
  [
    'a SPIFFE ID that is not text',
    () => callMethod(client, 'fetchJwtSvid', { audience: ['a'], spiffeId: 7 }),
    'option_invalid',
    /spiffeId: found 7/,
  ],
  [
    'a token alone',
    () => callMethod(client, 'validateJwtSvid', 'eyJ'),
    'option_invalid',
    /^validateJwtSvid: found 'eyJ'/,
  ],
  [
    'a list of audiences to validate for',
    () => callMethod(client, 'validateJwtSvid', { audience: ['a'], token: 'x' }),
    'option_invalid',
    /validateJwtSvid: audience: found a list/,
  ],
  [
    'a token that is not text',
    () => callMethod(client, 'validateJwtSvid', { audience: 'a', token: Buffer.from('x') }),
    'option_invalid',
    /token: .*expected the text of a token/,
  ],
  [
    'a function instead of a watcher',
    () => callMethod(client, 'watchX509Svids', () => undefined),
    'option_invalid',
    /watch: found a function, expected an object/,
  ],
  [
    'a watcher without onUpdate',
    () => callMethod(client, 'watchX509Bundles', { onError: () => undefined }),
    'option_invalid',
    /watch: onUpdate: found undefined/,
  ],
  [
    'a watcher with an invalid onError',
    () => callMethod(client, 'watchX509Bundles', { onUpdate: () => undefined, onError: 'log' }),
    'option_invalid',
    /watch: onError: found 'log'/,
  ],
  // testkit
  [
    'an unknown option of an authority',
    () => call(createAuthority, 'saas.example', { ttl: 60 }),
    'option_unknown',
    /^createAuthority: unknown option 'ttl'/,
  ],
  [
    'an unknown option of an SVID',
    () => callMethod(authority, 'issue', coreApi, { ttl: 60 }),
    'option_unknown',
    /^issue: unknown option 'ttl'/,
  ],
  [
    'a fault that is not a list',
    () => callMethod(authority, 'issue', coreApi, { faults: 'expired' }),
    'option_invalid',
    /issue: faults: found 'expired', expected a list/,
  ],
  [
    'an unknown kind of key',
    () => call(createKey, 'P-255'),
    'option_invalid',
    /createKey: found 'P-255', expected one of P-256/,
  ],
  [
    'a key as a string',
    () => callMethod(authority, 'issue', coreApi, { key: 'pem' }),
    'option_invalid',
    /issue: key: found 'pem', expected a key made by createKey/,
  ],
  [
    'a lifetime as a string',
    () => callMethod(authority, 'issue', coreApi, { ttlSeconds: '60' }),
    'option_invalid',
    /ttlSeconds: found '60', expected a number/,
  ],
  [
    'a subject as a string',
    () => callMethod(authority, 'issue', coreApi, { subject: 'CN=x' }),
    'option_invalid',
    /subject: found 'CN=x', expected an object/,
  ],
  [
    'a partner that was not awaited',
    () => callMethod(authority, 'source', coreApi, { federated: [createAuthority('b.example')] }),
    'option_invalid',
    /source: federated: found a list, expected a list of awaited results/,
  ],
  [
    'another authority that was not awaited',
    () => callMethod(authority, 'crossSign', createAuthority('saas.example')),
    'option_invalid',
    /crossSign: found a promise/,
  ],
  [
    'a caller whose SVID was not awaited',
    () => callMethod(authority, 'as', svid),
    'option_invalid',
    /as: found a promise.*awaited result/,
  ],
  [
    'inject of an Express application',
    () => callMethod(caller, 'inject', express(), '/'),
    'option_invalid',
    /inject: found an Express application, expected a Fastify instance.*serve\(\)/,
  ],
  [
    'inject without a path',
    () => callMethod(caller, 'inject', { inject: () => undefined, ready: () => undefined }),
    'option_invalid',
    /inject: found undefined, expected a path/,
  ],
  [
    'an SVID instead of a replacement',
    async () => callMethod(source, 'replace', await svid),
    'option_unknown',
    /^replace: unknown option/,
  ],
  [
    'an agent without options',
    () => call(startAgent),
    'option_invalid',
    /^startAgent: found undefined, expected an object/,
  ],
  [
    'an agent with entries one level too deep',
    () => call(startAgent, { authority, options: { entries: [] } }),
    'option_unknown',
    /startAgent: unknown option 'options'/,
  ],
  [
    'an agent whose authority was not awaited',
    () => call(startAgent, { authority: createAuthority('saas.example') }),
    'option_invalid',
    /startAgent: authority: found a promise/,
  ],
  [
    'an entry with an unknown option',
    () => callMethod(agent, 'setEntries', [{ spiffeId: coreApi, ttl: 5 }]),
    'option_unknown',
    /entries\[0\]: unknown option 'ttl'/,
  ],
  [
    'one entry instead of a list',
    () => callMethod(agent, 'setEntries', { spiffeId: coreApi }),
    'option_invalid',
    /entries: found an object, expected a list/,
  ],
  [
    'a fault that does not exist',
    () => callMethod(agent, 'heal', 'slowly'),
    'option_invalid',
    /heal: found 'slowly', expected one of no_socket/,
  ],
  [
    'an unknown option of a fault',
    () => callMethod(agent, 'fail', 'slow', { delay: 5 }),
    'option_unknown',
    /fail: unknown option 'delay'.*'delayMs'/,
  ],
  [
    'revocation lists as a string',
    () => callMethod(agent, 'setCrls', ['pem']),
    'option_invalid',
    /setCrls: found a list, expected a list of DER/,
  ],
  [
    'an overlap alone',
    () => callMethod(agent, 'setAuthority', authority, 0),
    'option_invalid',
    /setAuthority: found 0, expected an object/,
  ],
  ['an authority alone', () => callMethod(agent, 'restart', authority), 'option_unknown', /restart: unknown option/],
  [
    'a guard instead of a source',
    () => call(createFetch, guard, servers),
    'option_invalid',
    /createFetch: source: found a guard/,
  ],
])

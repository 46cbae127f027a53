import { createAuthority, createKey, serve } from '@countersign/testkit'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'
import express from 'express'
import { countersign } from '@countersign/express'
import Fastify from 'fastify'
import { optional, optionsOf, parameter, type Parameter, svid } from './kinds.ts'
import { authority, call, callMethod, coreApi, create, guard } from './mistakes.ts'

const agent: Agent = await startAgent({ authority })
const served = await serve(create(), express().use(countersign(guard)))
const peer = served.as(svid)

/** Closes the objects on which the parameters are tested. */
export async function close(): Promise<void> {
  await served.close()
  await agent.close()
}

/** The public surface of the testkit. */
export function listTestkitParameters(): readonly Parameter[] {
  return [...authorityParameters(), ...requestParameters(), ...agentParameters()]
}

const certificate = {
  ttlSeconds: 'undefined number',
  now: 'undefined number',
  notBefore: 'undefined number',
  keyType: 'undefined',
  key: 'undefined',
  faults: 'undefined list',
  subject: 'undefined object instance',
  keyUsages: 'undefined null list',
  extendedKeyUsages: 'undefined null list',
  keyIdentifiers: 'undefined true',
  extensions: 'undefined list',
}

function authorityParameters(): readonly Parameter[] {
  const issue = (options: unknown): unknown => callMethod(authority, 'issue', coreApi, options)
  const issueJwt = (options: unknown): unknown => callMethod(authority, 'issueJwt', coreApi, options)
  const open = async (options: unknown): Promise<void> => {
    const source: unknown = await callMethod(authority, 'source', coreApi, options)
    await closeIt(source)
  }
  return [
    parameter('createAuthority', 'text', (value) => call(createAuthority, value)),
    parameter('createAuthority options', optional, (value) => call(createAuthority, 'saas.example', value)),
    ...optionsOf('createAuthority', {}, (options) => call(createAuthority, 'saas.example', options), {
      ...certificate,
      name: 'undefined text',
      pathLength: 'undefined number',
      nameConstraints: 'undefined object instance svid',
      spiffeId: 'undefined text',
    }),
    parameter('createKey', 'undefined', (value) => call(createKey, value)),
    parameter('Authority.issue', 'none', (value) => callMethod(authority, 'issue', value)),
    parameter('Authority.issue options', optional, issue),
    ...optionsOf('Authority.issue', {}, issue, {
      ...certificate,
      uris: 'undefined list',
      dnsNames: 'undefined list',
      ipAddresses: 'undefined list',
    }),
    parameter('Authority.issueJwt', 'none', (value) =>
      callMethod(authority, 'issueJwt', value, { audience: 'billing' }),
    ),
    parameter('Authority.issueJwt options', 'none', issueJwt),
    ...optionsOf('Authority.issueJwt', { audience: 'billing' }, issueJwt, {
      audience: 'text',
      ttlSeconds: 'undefined number',
      now: 'undefined number',
      claims: 'undefined object instance svid',
      faults: 'undefined list',
    }),
    parameter('Authority.source options', optional, open),
    ...optionsOf('Authority.source', {}, open, {
      federated: 'undefined list',
      svid: 'undefined svid',
      ttlSeconds: 'undefined number',
    }),
    parameter('Authority.as', 'text svid', (value) => callMethod(authority, 'as', value)),
    parameter('Authority.intermediate', optional, (value) => callMethod(authority, 'intermediate', value)),
    parameter('Authority.crossSign', 'none', (value) => callMethod(authority, 'crossSign', value)),
  ]
}

function requestParameters(): readonly Parameter[] {
  const caller = authority.as(svid)
  const fetch = (init: unknown): unknown => callMethod(peer, 'fetch', '/', init)
  return [
    parameter('serve guard', 'guard', async (value) => closeIt(await call(serve, value, express()))),
    parameter('serve app', 'function express', async (value) => closeIt(await call(serve, create(), value))),
    parameter('Caller.inject app', 'none', (value) => callMethod(caller, 'inject', value, '/')),
    parameter('Caller.inject options', 'none', (value) => callMethod(caller, 'inject', Fastify(), value)),
    parameter('Running.as', 'null svid', (value) => callMethod(served, 'as', value)),
    parameter('Running.as options', optional, (value) => callMethod(served, 'as', svid, value)),
    parameter('Peer.fetch', 'text', (value) => callMethod(peer, 'fetch', value)),
    parameter('Peer.fetch init', optional, fetch),
    ...optionsOf('Peer.fetch', { method: 'POST' }, fetch, { method: 'undefined text', body: 'undefined text bytes' }),
  ]
}

function agentParameters(): readonly Parameter[] {
  const entry = { spiffeId: coreApi }
  const start = async (options: unknown): Promise<void> => closeIt(await call(startAgent, options))
  const fail = async (...given: readonly unknown[]): Promise<void> => {
    await callMethod(agent, 'fail', ...given)
    await agent.heal()
  }
  return [
    parameter('startAgent', 'none', start),
    ...optionsOf('startAgent', { authority }, start, {
      authority: 'none',
      entries: 'undefined list',
      endpoint: 'undefined',
      crls: 'undefined list',
      faults: 'undefined list',
    }),
    parameter('Agent.setEntries', 'list', (value) => callMethod(agent, 'setEntries', value)),
    ...optionsOf('Agent.setEntries', entry, (one) => callMethod(agent, 'setEntries', [one]), {
      spiffeId: 'none',
      ttlSeconds: 'undefined number',
      hint: 'undefined text',
      federatesWith: 'undefined list',
      keyType: 'undefined',
      faults: 'undefined list',
    }),
    parameter('Agent.setAuthority', 'none', (value) => callMethod(agent, 'setAuthority', value)),
    parameter('Agent.setAuthority options', optional, (value) => callMethod(agent, 'setAuthority', authority, value)),
    parameter('Agent.setCrls', 'list', (value) => callMethod(agent, 'setCrls', value)),
    parameter('Agent.fail', 'none', fail),
    parameter('Agent.fail options', optional, (value) => fail('internal', value)),
    ...optionsOf('Agent.fail', {}, (options) => fail('internal', options), {
      times: 'undefined number',
      delayMs: 'undefined number',
    }),
    parameter('Agent.heal', 'undefined', (value) => callMethod(agent, 'heal', value)),
    parameter('Agent.restart', optional, (value) => callMethod(agent, 'restart', value)),
  ]
}

async function closeIt(opened: unknown): Promise<void> {
  if (typeof opened === 'object' && opened !== null) await callMethod(opened, 'close')
}

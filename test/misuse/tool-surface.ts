import * as client from '@countersign/client'
import * as core from '@countersign/core'
import * as expressAdapter from '@countersign/express'
import * as fastifyAdapter from '@countersign/fastify'
import * as workloadApi from '@countersign/workload-api'
import express from 'express'
import Fastify from 'fastify'
import { optional, optionsOf, parameter, type Parameter } from './kinds.ts'
import { call, callMethod, coreApi, create, guard, source } from './mistakes.ts'

const servers = { servers: [coreApi] }
const agentClient = workloadApi.createWorkloadApiClient({ endpoint: 'unix:///nowhere.sock', timeoutMs: 1000 })

/** The public surface of the adapters, the client and the Workload API. */
export function listToolParameters(): readonly Parameter[] {
  return [...adapterParameters(), ...clientParameters(), ...workloadApiParameters()]
}

function adapterParameters(): readonly Parameter[] {
  return [
    parameter('countersign', 'guard', (value) => call(expressAdapter.countersign, value)),
    parameter('allow', 'none', (value) => call(expressAdapter.allow, value)),
    parameter('allow second', 'undefined', (value) => call(expressAdapter.allow, core.authenticated(), value)),
    parameter('createServer guard', 'guard', (value) => call(expressAdapter.createServer, value, expressApp())),
    parameter('createServer app', 'function express', (value) => call(expressAdapter.createServer, create(), value)),
    parameter('allow of Fastify', 'none', (value) => call(fastifyAdapter.allow, value)),
    parameter('allow of Fastify, second', 'undefined', (value) =>
      call(fastifyAdapter.allow, core.authenticated(), value),
    ),
    ...[expressAdapter.requireBoundToken, fastifyAdapter.requireBoundToken].flatMap((requireBoundToken) => [
      parameter('requireBoundToken', 'none', (value) => call(requireBoundToken, value)),
      parameter('requireBoundToken second', 'undefined', (value) =>
        call(requireBoundToken, { verify: () => undefined }, value),
      ),
      ...optionsOf('requireBoundToken', { verify: () => undefined }, (options) => call(requireBoundToken, options), {
        verify: 'function express',
        timeoutMs: 'undefined number',
      }),
    ]),
    parameter('countersign of Fastify', 'none', (value) => call(fastifyAdapter.countersign, value)),
    parameter('countersign of Fastify, options', 'guard', async (value) => {
      const app = Fastify({ https: guard.tlsOptions() })
      await callMethod(app, 'register', fastifyAdapter.countersign, { guard: value })
    }),
  ]
}

function clientParameters(): readonly Parameter[] {
  const connect = { ...servers, host: '127.0.0.1', port: 1 }
  const dialing = { servers: 'none', tls: optional, log: 'undefined function express', timeoutMs: 'undefined number' }
  const onPeer = (): void => undefined
  return [
    ...['createAgent', 'createDispatcher', 'createFetch'].flatMap((name) => [
      parameter(`${name} source`, 'source', (value) => callMethod(client, name, value, servers)),
      parameter(`${name} options`, 'none', (value) => callMethod(client, name, source, value)),
      ...optionsOf(name, servers, (options) => callMethod(client, name, source, options), dialing),
    ]),
    ...optionsOf('createAgent', servers, (options) => call(client.createAgent, source, options), {
      maxSockets: 'undefined number',
      scheduling: 'undefined',
    }),
    ...optionsOf('createFetch', servers, (options) => call(client.createFetch, source, options), {
      allowH2: 'undefined true',
      connections: 'undefined number',
      maxHeaderSize: 'undefined number',
      maxResponseSize: 'undefined number',
    }),
    ...optionsOf('createFetch', servers, (options) => call(client.createFetch, source, options), {
      jwtSvid: 'undefined',
    }),
    parameter('connectTls source', 'none', (value) => call(client.connectTls, value, { ...connect, port: 0 })),
    parameter('connectTls options', 'none', (value) => call(client.connectTls, source, value)),
    ...optionsOf('connectTls', connect, (options) => call(client.connectTls, source, options), {
      host: 'none',
      port: 'none',
      servername: 'none',
      protocols: 'none',
      signal: 'none',
      onStale: 'none',
    }),
    parameter('createTlsServer source', 'source', (value) =>
      call(client.createTlsServer, value, { callers: [coreApi] }, onPeer),
    ),
    parameter('createTlsServer options', 'none', (value) => call(client.createTlsServer, source, value, onPeer)),
    parameter('createTlsServer onPeer', 'function express', (value) =>
      call(client.createTlsServer, source, { callers: [coreApi] }, value),
    ),
    ...optionsOf(
      'createTlsServer',
      { callers: [coreApi] },
      (options) => call(client.createTlsServer, source, options, onPeer),
      {
        callers: 'none',
        trustDomains: 'undefined',
      },
    ),
  ]
}

function workloadApiParameters(): readonly Parameter[] {
  const endpoint = 'unix:///nowhere.sock'
  const watch = (name: string, watcher: unknown): void => {
    const stop: unknown = callMethod(agentClient, name, watcher)
    call(stop)
  }
  const onUpdate = (): void => undefined
  return [
    parameter('parseEndpointAddress', 'none', (value) => call(workloadApi.parseEndpointAddress, value)),
    parameter('formatEndpoint', 'none', (value) => call(workloadApi.formatEndpoint, value)),
    parameter('createWorkloadApiClient', 'none', (value) => call(workloadApi.createWorkloadApiClient, value)),
    ...optionsOf(
      'createWorkloadApiClient',
      { endpoint },
      (options) => call(workloadApi.createWorkloadApiClient, options),
      {
        endpoint: 'none',
        timeoutMs: 'undefined number',
      },
    ),
    parameter('workloadApiSource', 'none', (value) => call(workloadApi.workloadApiSource, value)),
    ...optionsOf(
      'workloadApiSource',
      { endpoint, timeoutMs: 1 },
      (options) => call(workloadApi.workloadApiSource, options),
      {
        endpoint: 'none',
        hint: 'none',
        maxRetryMs: 'none',
      },
    ),
    parameter('jwtBundleSource', 'none', (value) => call(workloadApi.jwtBundleSource, value)),
    ...optionsOf(
      'jwtBundleSource',
      { endpoint, timeoutMs: 1 },
      (options) => call(workloadApi.jwtBundleSource, options),
      {
        endpoint: 'none',
        maxRetryMs: 'none',
      },
    ),
    parameter('WorkloadApiClient.fetchJwtSvid', 'none', (value) => callMethod(agentClient, 'fetchJwtSvid', value)),
    ...optionsOf(
      'WorkloadApiClient.fetchJwtSvid',
      { audience: ['a'] },
      (asked) => callMethod(agentClient, 'fetchJwtSvid', asked),
      {
        audience: 'none',
        spiffeId: 'none',
      },
    ),
    parameter('WorkloadApiClient.validateJwtSvid', 'none', (value) =>
      callMethod(agentClient, 'validateJwtSvid', value),
    ),
    ...optionsOf(
      'WorkloadApiClient.validateJwtSvid',
      { audience: 'a', token: 'x' },
      (asked) => callMethod(agentClient, 'validateJwtSvid', asked),
      {
        audience: 'none',
        token: 'none',
      },
    ),
    ...['fetchX509Svids', 'fetchX509Bundles'].flatMap((name) => [
      parameter(`WorkloadApiClient.${name}`, 'none', (value) => callMethod(agentClient, name, value)),
      ...optionsOf(`WorkloadApiClient.${name}`, {}, (options) => callMethod(agentClient, name, options), {
        onError: 'none',
      }),
    ]),
    ...['watchX509Svids', 'watchX509Bundles'].flatMap((name) => [
      parameter(`WorkloadApiClient.${name}`, 'none', (value) => watch(name, value)),
      ...optionsOf(`WorkloadApiClient.${name}`, { onUpdate }, (watcher) => watch(name, watcher), {
        onUpdate: 'function express',
        onError: 'undefined function express',
      }),
    ]),
  ]
}

function expressApp(): express.Express {
  return express().use(expressAdapter.countersign(guard))
}

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { anonymous, anyOf, authenticated, type GuardOptions, hasAuthority } from '@countersign/core'
import type { TestSvid } from '@countersign/testkit'
import { type Caller, createCaller, type SentHeaders } from './caller.ts'
import { findPort } from './program.ts'
import type { Proxy, RunningProxy } from './proxy.ts'
import { readSeen, type Seen, type Service, startService } from './service.ts'
import { createWorkloads, internalName, proxyId, type Workloads, writeProxyFiles, writeProxySvid } from './workloads.ts'

/** A proxy in front of a guarded service, and callers of both. */
export interface Setup {
  readonly workloads: Workloads
  readonly service: Service
  readonly folder: string
  readonly running: RunningProxy
  readonly proxySvid: TestSvid
  /** A caller of the proxy. */
  readonly call: (t: TestContext, svid: TestSvid | null) => Caller
  /** A caller that reaches the service past the proxy. */
  readonly connect: (t: TestContext, svid: TestSvid) => Caller
  readonly see: (t: TestContext, svid: TestSvid | null, path?: string, headers?: SentHeaders) => Promise<Seen>
  readonly status: (t: TestContext, svid: TestSvid | null, path: string, headers?: SentHeaders) => Promise<number>
  readonly close: () => Promise<void>
}

/** Starts a service and a proxy in front of it. The SVID of the proxy is valid for an hour by default. */
export async function setUp(proxy: Proxy, proxyTtlSeconds = 3600): Promise<Setup> {
  const workloads = await createWorkloads()
  const service: Service = await startService(workloads, createOptions(proxy, workloads))
  const folder = mkdtempSync(join(tmpdir(), 'countersign-proxy-'))
  await writeProxyFiles(folder, workloads, proxy.serverUris)
  const proxySvid = await writeProxySvid(folder, workloads, { ttlSeconds: proxyTtlSeconds })
  const port = await findPort()
  const running = await proxy.start({ folder, port, servicePort: service.port })
  const keep = (t: TestContext, caller: Caller): Caller => {
    t.after(() => caller.close())
    return caller
  }
  const call = (t: TestContext, svid: TestSvid | null): Caller =>
    keep(t, createCaller({ port, svid, ca: workloads.publicAuthority.bundlePem }))
  return {
    workloads,
    service,
    folder,
    running,
    proxySvid,
    call,
    connect: (t, svid) =>
      keep(t, createCaller({ port: service.port, svid, ca: workloads.authority.bundlePem, servername: internalName })),
    see: async (t, svid, path = '/', headers) => {
      const { status, text } = await call(t, svid).call(path, headers)
      assert.equal(status, 200, `${text}\n${JSON.stringify(service.events.at(-1))}`)
      return readSeen(text)
    },
    status: async (t, svid, path, headers) => (await call(t, svid).call(path, headers)).status,
    close: async () => {
      await running.stop()
      await service.close()
      rmSync(folder, { recursive: true })
    },
  }
}

function createOptions(proxy: Proxy, { intermediate }: Workloads): Partial<GuardOptions> {
  const proxies = [{ id: proxyId, forwards: ['spiffe://saas.example/ns/production/sa/*'] }]
  const intermediates = proxy.sendsChain ? {} : { intermediates: intermediate.certificatePem }
  return {
    rules: [
      { path: '/orders/**', allow: hasAuthority('SERVICE_orders') },
      { path: '/open', allow: anyOf(authenticated(), anonymous()) },
      { path: '/**', allow: authenticated() },
    ],
    credentials: { forwarded: { proxies, format: proxy.format, ...intermediates } },
    permissive: { until: new Date(Date.now() + 86_400_000).toISOString() },
  }
}

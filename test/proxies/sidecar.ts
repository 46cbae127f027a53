import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { allOf, authenticated, createGuard, hasAuthority, provenBy } from '@countersign/core'
import countersign from '@countersign/fastify'
import Fastify from 'fastify'
import { createCaller } from './caller.ts'
import { findPort } from './program.ts'
import { forge, type Place, type RunningProxy } from './proxy.ts'
import { createWorkloads, serviceId, writeProxyFiles } from './workloads.ts'

/** Tests a sidecar that states names over plaintext on loopback, like Istio's. */
export function testSidecar(name: string, start: (place: Place) => Promise<RunningProxy>): void {
  test(`${name} asserts its callers on a listener that trusts every peer`, { timeout: 60_000 }, async (t) => {
    const workloads = await createWorkloads()
    const source = await workloads.authority.source(serviceId)
    const guard = createGuard({
      source,
      rules: [
        { path: '/orders', allow: allOf(provenBy('asserted'), hasAuthority('SERVICE_orders')) },
        { path: '/**', allow: authenticated() },
      ],
      credentials: { forwarded: { dangerouslyTrustAnyPeer: true, format: 'xfcc' } },
      log: () => undefined,
    })
    const app = Fastify()
    await app.register(countersign, { guard })
    app.get('/*', ({ principal }) => `${principal?.credential} ${principal?.spiffeId?.toString()}`)
    await app.listen({ host: '127.0.0.1', port: 0 })
    const folder = mkdtempSync(join(tmpdir(), 'countersign-proxy-'))
    await writeProxyFiles(folder, workloads, [serviceId])
    const address = app.server.address()
    assert.ok(typeof address === 'object' && address !== null, 'the service has a port')
    const port = await findPort()
    const running = await start({ folder, port, servicePort: address.port })
    t.after(async () => {
      await running.stop()
      await app.close()
      await source.close()
      rmSync(folder, { recursive: true })
    })
    const { orders, reports, evil } = workloads.callers
    const call = async (svid: typeof orders | null, path: string): Promise<{ status: number; text: string }> => {
      const caller = createCaller({ port, svid, ca: workloads.publicAuthority.bundlePem })
      try {
        return await caller.call(path, forge(orders))
      } finally {
        caller.close()
      }
    }

    assert.equal((await call(orders, '/orders')).text, `asserted ${orders.spiffeId}`)
    for (const svid of [reports, evil]) assert.equal((await call(svid, '/orders')).status, 403)
    assert.equal((await call(null, '/orders')).status, 401)
    // A rule that does not name asserted callers denies them.
    assert.equal((await call(orders, '/other')).status, 403)
  })
}

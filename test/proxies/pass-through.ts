import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { type Caller, createCaller } from './caller.ts'
import { fillIn, readConfiguration } from './configuration.ts'
import { findPort, type Program, runCommand, startProgram } from './program.ts'
import { forge } from './proxy.ts'
import { readSeen, startService } from './service.ts'
import { type CallerName, createWorkloads, internalName } from './workloads.ts'

/** Tests of proxies that forward TCP connections without terminating TLS. */

const programs = new Map<string, (folder: string, port: number, servicePort: number) => Promise<Program>>([
  ['HAProxy', startHaproxy],
  ['nginx', startNginx],
])

for (const [name, start] of programs) {
  test(`${name} passes each caller's own certificate through`, async (t) => {
    const { call } = await serve(t, start)

    for (const caller of ['orders', 'reports', 'evil', 'utf', 'neighbour'] as const) {
      const { status, text } = await call(caller).call('/')

      assert.equal(status, 200, text)
      assert.ok(readSeen(text).caller?.endsWith(`/sa/${caller}`), text)
    }
    assert.equal((await call('orders').call('/orders/1')).status, 200)
    assert.equal((await call('reports').call('/orders/1')).status, 403)
  })

  test(`${name} cannot pass a caller without a certificate, and headers change nothing`, async (t) => {
    const { call, workloads } = await serve(t, start)
    const forged = forge(workloads.callers.orders)

    assert.equal((await call('reports').call('/orders/1', forged)).status, 403)
    await assert.rejects(call(null).call('/', forged))
  })
}

async function serve(
  t: TestContext,
  start: (folder: string, port: number, servicePort: number) => Promise<Program>,
): Promise<{ workloads: Awaited<ReturnType<typeof createWorkloads>>; call: (name: CallerName | null) => Caller }> {
  const workloads = await createWorkloads()
  const service = await startService(workloads)
  const folder = mkdtempSync(join(tmpdir(), 'countersign-proxy-'))
  const port = await findPort()
  const program = await start(folder, port, service.port)
  const callers: Caller[] = []
  t.after(async () => {
    for (const caller of callers) caller.close()
    await program.stop()
    await service.close()
    rmSync(folder, { recursive: true })
  })
  const call = (name: CallerName | null): Caller => {
    const svid = name === null ? null : workloads.callers[name]
    const caller = createCaller({ port, svid, ca: workloads.authority.bundlePem, servername: internalName })
    callers.push(caller)
    return caller
  }
  return { workloads, call }
}

function startHaproxy(folder: string, port: number, servicePort: number): Promise<Program> {
  const file = join(folder, 'haproxy.cfg')
  const text = fillIn(readConfiguration('haproxy-tcp.cfg'), {
    'bind :443': `bind 127.0.0.1:${port}`,
    'billing.production.svc:8443': `127.0.0.1:${servicePort}`,
  })
  writeFileSync(file, text)
  return startProgram('haproxy', ['-f', file], port)
}

function startNginx(folder: string, port: number, servicePort: number): Promise<Program> {
  const file = join(folder, 'nginx.conf')
  // In many distributions, the module is a file of its own.
  const built = runCommand('nginx', ['-V'])
  const [, modules = ''] = /--modules-path=(\S+)/.exec(built) ?? []
  const load = built.includes('--with-stream=dynamic') ? `load_module ${modules}/ngx_stream_module.so; ` : ''
  const text = fillIn(readConfiguration('nginx-stream.conf'), {
    'listen 443': `listen 127.0.0.1:${port}`,
    'billing.production.svc:8443': `127.0.0.1:${servicePort}`,
    'events {}': `${load}daemon off; pid ${folder}/nginx.pid; events {}`,
  })
  writeFileSync(file, text)
  return startProgram('nginx', ['-p', folder, '-e', 'stderr', '-c', file], port)
}

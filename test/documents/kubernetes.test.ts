import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { startAgent, type Agent } from '@countersign/testkit/workload-api'
import { readPage } from './page.ts'
import { asObject, isSource, read, readFunction } from './read.ts'
import { testBlocks } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/kubernetes.md')
const manifests = page.blocks.filter(({ info }) => info === 'yaml').map(({ code }) => code)
const code = page.runnable.get('service.ts')?.code ?? ''

let bench: Workbench
let agent: Agent
before(async () => {
  bench = await createWorkbench(page)
  agent = await startAgent({ authorities: [bench.authority], entries: [{ spiffeId: `${production}/billing` }] })
  process.env['SPIFFE_ENDPOINT_SOCKET'] = agent.endpoint
})
after(async () => {
  delete process.env['SPIFFE_ENDPOINT_SOCKET']
  await agent.close()
  await bench.close()
})

testBlocks(page, () => bench)

test('the program listens on the ports of the manifest and answers its probes', async () => {
  const [manifest = ''] = manifests
  for (const port of ['8443', '8081']) {
    assert.ok(manifest.includes(`containerPort: ${port}`) && code.includes(`port: ${port}`), port)
  }
  const probed = [...manifest.matchAll(/httpGet: \{ path: (\S+), port: probes \}/g)].map(([, path = '']) => path)
  assert.deepEqual(probed, ['/livez', '/readyz'])
  for (const path of probed) assert.ok(code.includes(`'${path}'`), path)
  const free = code
    .replace('port: 8081', "port: 0, host: '127.0.0.1'")
    .replace("port: 8443, host: '0.0.0.0'", "port: 0, host: '127.0.0.1'")
    .replace('logger: true', 'logger: false')
    .replace('await guard.probeListener', 'const probes = await guard.probeListener')
    .replace(/^process\.once.*$/m, '')
  bench.write('free-service.ts', `${free}\nexport { app, probes, source }\n`)

  const loaded = await bench.load('free-service.ts')
  const [app, probes, source] = [read(loaded, 'app'), asObject(read(loaded, 'probes')), read(loaded, 'source')]
  assert.ok(isSource(source))
  const port = String(read(probes, 'port'))
  for (const path of probed) assert.equal((await fetch(`http://127.0.0.1:${port}${path}`)).status, 200, path)

  await readFunction(app, 'close').call(app)
  await readFunction(probes, 'close').call(probes)
  await source.close()
})

test('each program reads its files from the folder that the manifest above it mounts', () => {
  const folders = ['/run/tls', '/etc/istio-output-certs']
  const programs = page.blocks.filter(({ info }) => info === 'ts').map((block) => block.code)

  assert.equal(programs.length, folders.length)
  for (const [index, folder] of folders.entries()) {
    assert.ok(manifests[index + 1]?.includes(`mountPath: ${folder}, readOnly: true`), folder)
    const paths = [...(programs[index] ?? '').matchAll(/'(\/[^']+)'/g)].map(([, path = '']) => path)
    assert.equal(paths.length, 3)
    assert.ok(
      paths.every((path) => path.startsWith(`${folder}/`)),
      folder,
    )
  }
})

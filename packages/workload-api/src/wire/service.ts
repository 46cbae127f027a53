import { decodeMessage, encodeMessage, type MessageType } from './message-codec.ts'
import * as types from './message-types.ts'

/** The methods of the Workload API that Countersign uses, with their names in the standard. */
export type WorkloadMethod =
  | 'FetchX509SVID'
  | 'FetchX509Bundles'
  | 'FetchJWTSVID'
  | 'FetchJWTBundles'
  | 'ValidateJWTSVID'

/** How one method is called and answered. Has the shape of a method definition in the gRPC libraries for Node. */
export interface WireMethod {
  readonly path: string
  readonly requestStream: false
  /** Whether the response is a stream of messages. */
  readonly responseStream: boolean
  readonly requestSerialize: (request: object) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => object
  readonly responseSerialize: (response: object) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => object
}

/** The gRPC definition of the Workload API, for servers and clients. */
export interface WorkloadService extends Readonly<Record<WorkloadMethod, WireMethod>> {
  readonly [name: string]: WireMethod
}

/** Returns the definition of the Workload API. */
export function loadWorkloadService(): WorkloadService {
  return service
}

const service: WorkloadService = Object.freeze({
  FetchX509SVID: define('FetchX509SVID', true, types.emptyRequest, types.x509SvidResponse),
  FetchX509Bundles: define('FetchX509Bundles', true, types.emptyRequest, types.x509BundlesResponse),
  FetchJWTSVID: define('FetchJWTSVID', false, types.jwtSvidRequest, types.jwtSvidResponse),
  FetchJWTBundles: define('FetchJWTBundles', true, types.emptyRequest, types.jwtBundlesResponse),
  ValidateJWTSVID: define('ValidateJWTSVID', false, types.validateJwtSvidRequest, types.validateJwtSvidResponse),
})

function define(
  name: WorkloadMethod,
  responseStream: boolean,
  request: MessageType,
  response: MessageType,
): WireMethod {
  return Object.freeze({
    // The service has no package name.
    path: `/SpiffeWorkloadAPI/${name}`,
    requestStream: false,
    responseStream,
    requestSerialize: (value: object) => encodeMessage(request, value),
    requestDeserialize: (bytes: Buffer) => decodeMessage(request, bytes),
    responseSerialize: (value: object) => encodeMessage(response, value),
    responseDeserialize: (bytes: Buffer) => decodeMessage(response, bytes),
  })
}

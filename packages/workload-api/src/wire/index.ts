export { frameMessage, FrameReader } from './grpc-frames.ts'
export { encodeDetails, numberOfStatus } from './grpc-status.ts'
export { loadWorkloadService, type WireMethod, type WorkloadMethod, type WorkloadService } from './service.ts'

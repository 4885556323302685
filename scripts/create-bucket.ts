// Creates the bucket that the S3_* variables name, where it does not exist; for compose and first steps on an S3 server.
import { type BucketLocationConstraint, CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { loadConfig } from '../src/config/env.ts';

const { objectStore } = loadConfig();
if (objectStore.kind !== 's3') throw new Error('S3_BUCKET_NAME is not set');
const { bucket, region, endpoint, forcePathStyle, credentials } = objectStore;
const client = new S3Client({
  region,
  forcePathStyle,
  requestChecksumCalculation: 'WHEN_REQUIRED',
  ...(endpoint ? { endpoint } : {}),
  ...(credentials ? { credentials } : {}),
});
try {
  // AWS wants the region named, but for its first; other servers have regions of their own, or none.
  const named = region !== 'us-east-1' && !endpoint;
  await client.send(
    new CreateBucketCommand({
      Bucket: bucket,
      ...(named ? { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } } : {}),
    }),
  );
  console.log(`created the bucket ${bucket}`);
} catch (error) {
  const name = error instanceof Error ? error.name : '';
  if (name !== 'BucketAlreadyOwnedByYou' && name !== 'BucketAlreadyExists') {
    console.error(
      `the bucket ${bucket} cannot be created: ${error instanceof Error ? `${name} ${error.message}` : error}`,
    );
    process.exit(1);
  }
  console.log(`the bucket ${bucket} is there`);
}

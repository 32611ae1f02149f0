import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2


def test_warm_up_requests_are_what_tf_serving_replays(saved_model):
    loaded = tf.saved_model.load(str(saved_model))
    file = str(saved_model / "assets.extra/tf_serving_warmup_requests")
    replayed = []
    for record in tf.data.TFRecordDataset(file).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        function = loaded.signatures[request.model_spec.signature_name]
        inputs = {
            name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()
        }
        function(**inputs)
        replayed.append(request.model_spec.signature_name)
    assert replayed == ["serving_default", "probabilities"]

// Loads a SavedModel as TF Serving does, by the same function, replays its warm-up requests, and segments images.
//
//   saved_model_loader MODEL IMAGE…
//
// Writes the mask of each image to IMAGE.mask. Prints the signature of each warm-up request, and then the memory map of this
// process, which names its libraries. A failure ends the process with code 1 and TensorFlow's message.
#include <dlfcn.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/unknown_field_set.h"
#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/lib/io/record_reader.h"

namespace {

using tensorflow::Tensor;
using tensorflow::tstring;
using Inputs = std::vector<std::pair<std::string, Tensor>>;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status.message() << std::endl;
  std::exit(1);
}

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Returns the values of one field of a message. TF Serving's message classes are not in TensorFlow's libraries.
std::vector<std::string> Fields(const std::string& message, int number) {
  google::protobuf::UnknownFieldSet fields;
  fields.ParseFromString(message);
  std::vector<std::string> values;
  for (int i = 0; i < fields.field_count(); ++i)
    if (fields.field(i).number() == number) values.emplace_back(fields.field(i).length_delimited());
  return values;
}

// Runs a signature. The inputs and the returned outputs have the names of the signature.
Inputs Run(const tensorflow::SavedModelBundle& model, const std::string& signature, const Inputs& inputs) {
  const auto& definition = model.GetSignatures().at(signature);
  Inputs feeds, outputs;
  for (const auto& [name, value] : inputs) feeds.emplace_back(definition.inputs().at(name).name(), value);
  std::vector<std::string> fetches;
  for (const auto& [name, info] : definition.outputs()) {
    fetches.push_back(info.name());
    outputs.emplace_back(name, Tensor());
  }
  std::vector<Tensor> values;
  Check(model.GetSession()->Run(feeds, fetches, {}, &values));
  for (size_t i = 0; i < values.size(); ++i) outputs[i].second = values[i];
  return outputs;
}

// Replays a file of PredictionLog messages.
void WarmUp(const tensorflow::SavedModelBundle& model, const std::string& path) {
  std::unique_ptr<tensorflow::RandomAccessFile> file;
  Check(tensorflow::Env::Default()->NewRandomAccessFile(path, &file));
  tensorflow::io::SequentialRecordReader reader(file.get());
  tstring record;
  absl::Status status;
  while ((status = reader.ReadRecord(&record)).ok()) {
    const std::string log = Fields(record, 6).at(0);      // PredictionLog.predict_log
    const std::string request = Fields(log, 1).at(0);     // PredictLog.request
    const std::string spec = Fields(request, 1).at(0);    // PredictRequest.model_spec
    const std::string signature = Fields(spec, 3).at(0);  // ModelSpec.signature_name
    Inputs inputs;
    for (const auto& entry : Fields(request, 2)) {  // PredictRequest.inputs, whose entries are names and values
      tensorflow::TensorProto value;
      value.ParseFromString(Fields(entry, 2).at(0));
      inputs.emplace_back(Fields(entry, 1).at(0), Tensor());
      if (!inputs.back().second.FromProto(value)) Check(absl::DataLossError("damaged warm-up request"));
    }
    Run(model, signature, inputs);
    std::cout << signature << std::endl;
  }
  if (!absl::IsOutOfRange(status)) Check(status);  // OutOfRange is the end of the file
}

std::string Segment(const tensorflow::SavedModelBundle& model, const std::string& image) {
  Tensor images(tensorflow::DT_STRING, {1});
  *static_cast<tstring*>(images.data()) = image;
  for (const auto& [name, value] : Run(model, "serving_default", {{"image_bytes", images}}))
    if (name == "mask_png_bytes") return *static_cast<const tstring*>(value.data());
  Check(absl::NotFoundError("serving_default has no output mask_png_bytes"));
  return "";
}

}  // namespace

int main(int count, char** arguments) {
  // This library has the operations. It is opened here, since the linker would take five seconds to read it.
  if (!dlopen("libtensorflow_cc.so.2", RTLD_NOW)) Check(absl::NotFoundError(dlerror()));
  const std::string path = arguments[1];
  tensorflow::SavedModelBundle model;
  Check(tensorflow::LoadSavedModel({}, {}, path, {"serve"}, &model));
  WarmUp(model, path + "/assets.extra/tf_serving_warmup_requests");
  for (int i = 2; i < count; ++i) {
    const std::string image = arguments[i];
    const std::string mask = Segment(model, Read(image));
    std::ofstream(image + ".mask", std::ios::binary) << mask;
  }
  std::cout << Read("/proc/self/maps");
}

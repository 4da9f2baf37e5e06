//! [`Method`].

use std::fmt;
use std::str::FromStr;

/// How an answer is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
pub enum Method {
    /// The channels of a layer, each weighed by the mean of its gradient (Selvaraju et al., 2017; pytorch-grad-cam's `GradCAM`).
    #[serde(rename = "grad-cam")]
    GradCam,
    /// The same with weights that count each pixel of a channel (Chattopadhay et al., 2018; `GradCAMPlusPlus`).
    #[serde(rename = "grad-cam++")]
    GradCamPlusPlus,
    /// The channels of a layer, each weighed by what the network says of the image seen through it (Wang et al., 2020; `ScoreCAM`). Without gradients.
    #[serde(rename = "score-cam")]
    ScoreCam,
    /// The pixels of a layer, each weighed by its positive gradient (Jiang et al., 2021; `LayerCAM`). For early layers, too.
    #[serde(rename = "layer-cam")]
    LayerCam,
    /// The absolute gradient with respect to the image (Simonyan et al., 2014; Captum's `Saliency`).
    #[serde(rename = "saliency")]
    Saliency,
    /// The mean of that over noisy copies of the image (Smilkov et al., 2017; `NoiseTunnel` of `Saliency`).
    #[serde(rename = "smooth-grad")]
    SmoothGrad,
    /// The gradient along the way from a baseline to the image, times the way (Sundararajan et al., 2017; `IntegratedGradients` by Gauss-Legendre quadrature).
    #[serde(rename = "integrated-gradients")]
    IntegratedGradients,
    /// The gradient with respect to the image that goes back through ReLUs where it is positive (Springenberg et al., 2015; `GuidedBackprop`, which leaves ReLU6 out).
    #[serde(rename = "guided-backprop")]
    GuidedBackprop,
    /// How far the answer falls when a square of the image is covered (Zeiler and Fergus, 2014; `Occlusion`).
    #[serde(rename = "occlusion")]
    Occlusion,
    /// Gradients at random points on the ways from random baselines to the image, times the ways (Lundberg and Lee, 2017; `GradientShap`).
    #[serde(rename = "gradient-shap")]
    GradientShap,
    /// How far each number brings the answer from that for a baseline to that for the image, by the rescale rule (Shrikumar et al., 2017; `DeepLift`).
    #[serde(rename = "deep-lift")]
    DeepLift,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 11] = [
        Method::GradCam,
        Method::GradCamPlusPlus,
        Method::ScoreCam,
        Method::LayerCam,
        Method::Saliency,
        Method::SmoothGrad,
        Method::IntegratedGradients,
        Method::GuidedBackprop,
        Method::Occlusion,
        Method::GradientShap,
        Method::DeepLift,
    ];

    /// Its name: `grad-cam`, `integrated-gradients`.
    pub fn name(self) -> &'static str {
        match self {
            Method::GradCam => "grad-cam",
            Method::GradCamPlusPlus => "grad-cam++",
            Method::ScoreCam => "score-cam",
            Method::LayerCam => "layer-cam",
            Method::Saliency => "saliency",
            Method::SmoothGrad => "smooth-grad",
            Method::IntegratedGradients => "integrated-gradients",
            Method::GuidedBackprop => "guided-backprop",
            Method::Occlusion => "occlusion",
            Method::GradientShap => "gradient-shap",
            Method::DeepLift => "deep-lift",
        }
    }

    /// Whether it explains by the output of a layer.
    pub fn is_cam(self) -> bool {
        matches!(self, Method::GradCam | Method::GradCamPlusPlus | Method::ScoreCam | Method::LayerCam)
    }

    /// Whether its numbers may be negative: of what speaks against the answer.
    pub fn is_signed(self) -> bool {
        matches!(
            self,
            Method::IntegratedGradients
                | Method::GuidedBackprop
                | Method::Occlusion
                | Method::GradientShap
                | Method::DeepLift
        )
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = String;

    /// By its name, with or without its hyphens, in any case: `gradcam`, `Grad-CAM++`.
    fn from_str(text: &str) -> Result<Method, String> {
        let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
        let typed = plain(text);
        let found = Method::ALL.into_iter().find(|method| plain(method.name()) == typed);
        found.ok_or_else(|| {
            format!("there is no method '{text}': there are {}", Method::ALL.map(Method::name).join(", "))
        })
    }
}
